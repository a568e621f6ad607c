//! The grammar of FHIRPath (HL7 FHIRPath 2.0, appendix B) by precedence climbing. Depth and length are limited, so no text can
//! overflow the stack here or when the tree is evaluated or dropped.

use super::ExpressionError;
use super::ast::{Expr, Literal, Operator, TypeName};
use super::decimal::Decimal;
use super::function::Function;
use super::lexer::{Token, TokenKind, tokens};
use crate::date::{DateTime, Time};

/// Longest expression in bytes.
pub const LENGTH_MAX: usize = 16 << 10;
/// Deepest tree.
pub const DEPTH_MAX: usize = 200;

type Node = (Expr, usize);

pub(super) fn parse(text: &str) -> Result<Expr, ExpressionError> {
    if text.len() > LENGTH_MAX {
        return Err(ExpressionError { offset: LENGTH_MAX, reason: "the expression is too long" });
    }
    let mut parser = Parser { tokens: tokens(text)?, position: 0, nesting: 0, end: text.len() };
    let (expr, _) = parser.expression(0)?;
    if parser.position < parser.tokens.len() {
        return Err(parser.error("the expression goes on after its end"));
    }
    Ok(expr)
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
    nesting: usize,
    end: usize,
}

/// Binding strength of `is` and `as`, between `+` and `|`.
const TYPE_STRENGTH: u8 = 10;
/// Binding strength of a sign.
const SIGN_STRENGTH: u8 = 13;

fn operator(token: &TokenKind) -> Option<(Operator, u8)> {
    use Operator::*;
    let text = match token {
        TokenKind::Symbol(symbol) => symbol,
        TokenKind::Name(name, false) => name.as_str(),
        _ => return None,
    };
    Some(match text {
        "*" => (Multiply, 12),
        "/" => (Divide, 12),
        "div" => (Div, 12),
        "mod" => (Mod, 12),
        "+" => (Add, 11),
        "-" => (Subtract, 11),
        "&" => (Concatenate, 11),
        "|" => (Union, 9),
        "<" => (Less, 8),
        "<=" => (LessOrEqual, 8),
        ">" => (Greater, 8),
        ">=" => (GreaterOrEqual, 8),
        "=" => (Equal, 7),
        "!=" => (NotEqual, 7),
        "~" => (Equivalent, 7),
        "!~" => (NotEquivalent, 7),
        "in" => (In, 6),
        "contains" => (Contains, 6),
        "and" => (And, 5),
        "xor" => (Xor, 4),
        "or" => (Or, 4),
        "implies" => (Implies, 3),
        _ => return None,
    })
}

impl Parser {
    fn error(&self, reason: &'static str) -> ExpressionError {
        ExpressionError { offset: self.tokens.get(self.position).map_or(self.end, |token| token.offset), reason }
    }

    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.position).map(|token| &token.kind)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(TokenKind::Symbol(s)) if *s == symbol);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str, reason: &'static str) -> Result<(), ExpressionError> {
        if self.take(symbol) { Ok(()) } else { Err(self.error(reason)) }
    }

    fn grown(&self, expr: Expr, depth: usize) -> Result<Node, ExpressionError> {
        if depth >= DEPTH_MAX { Err(self.error("the expression is nested too deep")) } else { Ok((expr, depth + 1)) }
    }

    /// An expression whose operators all bind at least as strongly as `strength`.
    fn expression(&mut self, strength: u8) -> Result<Node, ExpressionError> {
        self.nesting += 1;
        if self.nesting > DEPTH_MAX / 2 {
            return Err(self.error("the expression is nested too deep"));
        }
        let mut left = self.signed()?;
        loop {
            if let Some(is) = self.type_operator(strength) {
                self.position += 1;
                let type_name = self.type_name()?;
                let (expr, depth) = left;
                let expr = Box::new(expr);
                left = self.grown(if is { Expr::Is(expr, type_name) } else { Expr::As(expr, type_name) }, depth)?;
                continue;
            }
            let Some((operator, binding)) = self.peek().and_then(operator).filter(|(_, binding)| *binding >= strength)
            else {
                break;
            };
            self.position += 1;
            let right = self.expression(binding + 1)?;
            let depth = left.1.max(right.1);
            left = self.grown(Expr::Binary(operator, Box::new(left.0), Box::new(right.0)), depth)?;
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn type_operator(&self, strength: u8) -> Option<bool> {
        match self.peek() {
            Some(TokenKind::Name(name, false)) if strength <= TYPE_STRENGTH => match name.as_str() {
                "is" => Some(true),
                "as" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    fn signed(&mut self) -> Result<Node, ExpressionError> {
        let is_minus = match self.peek() {
            Some(TokenKind::Symbol("-")) => true,
            Some(TokenKind::Symbol("+")) => false,
            _ => return self.chain(),
        };
        self.position += 1;
        let (expr, depth) = self.expression(SIGN_STRENGTH)?;
        self.grown(if is_minus { Expr::Negate(Box::new(expr)) } else { Expr::Plus(Box::new(expr)) }, depth)
    }

    /// A term with all its `.member`, `.function()` and `[index]`.
    fn chain(&mut self) -> Result<Node, ExpressionError> {
        let mut left = self.term()?;
        loop {
            if self.take(".") {
                left = self.invocation(left)?;
            } else if self.take("[") {
                let index = self.expression(0)?;
                self.expect("]", "a closing bracket is missing")?;
                let depth = left.1.max(index.1);
                left = self.grown(Expr::Indexer(Box::new(left.0), Box::new(index.0)), depth)?;
            } else {
                return Ok(left);
            }
        }
    }

    fn invocation(&mut self, (left, depth): Node) -> Result<Node, ExpressionError> {
        if self.take("$") {
            let right = self.special()?;
            return self.grown(Expr::Path(Box::new(left), Box::new(right)), depth);
        }
        let name = self.name()?;
        if !self.take("(") {
            return self.grown(Expr::Path(Box::new(left), Box::new(Expr::Member(name.into()))), depth);
        }
        if let Some(make) = type_function(&name) {
            let type_name = self.type_name()?;
            self.expect(")", "a closing parenthesis is missing")?;
            return self.grown(make(Box::new(left), type_name), depth);
        }
        let (call, call_depth) = self.call(&name)?;
        self.grown(Expr::Path(Box::new(left), Box::new(call)), depth.max(call_depth))
    }

    /// The arguments of a function, after its opening parenthesis.
    fn call(&mut self, name: &str) -> Result<Node, ExpressionError> {
        let function = Function::named(name).ok_or(self.error("a function is not known"))?;
        let mut arguments = Vec::new();
        let mut depth = 0;
        if !self.take(")") {
            loop {
                let (argument, argument_depth) = self.expression(0)?;
                depth = depth.max(argument_depth);
                arguments.push(argument);
                if self.take(")") {
                    break;
                }
                self.expect(",", "a comma or closing parenthesis is missing")?;
            }
        }
        if !function.arity().contains(&arguments.len()) {
            return Err(self.error("a function has a wrong number of arguments"));
        }
        self.grown(Expr::Call(function, arguments), depth)
    }

    fn term(&mut self) -> Result<Node, ExpressionError> {
        let Some(kind) = self.peek().cloned() else { return Err(self.error("the expression ends too early")) };
        match kind {
            TokenKind::Symbol("(") => {
                self.position += 1;
                let inner = self.expression(0)?;
                self.expect(")", "a closing parenthesis is missing")?;
                return Ok(inner);
            }
            TokenKind::Name(name, is_quoted) => return self.named_term(name, is_quoted),
            _ => self.position += 1,
        }
        let expr = match kind {
            TokenKind::Symbol("{") => {
                self.expect("}", "a closing brace is missing")?;
                Expr::Empty
            }
            TokenKind::Symbol("$") => self.special()?,
            TokenKind::Symbol("%") => match self.peek().cloned() {
                Some(TokenKind::Name(name, _) | TokenKind::Text(name)) => {
                    self.position += 1;
                    Expr::Variable(name.into())
                }
                _ => return Err(self.error("the name of a variable is missing")),
            },
            TokenKind::Text(text) => Expr::Literal(Literal::String(text.into())),
            TokenKind::Number(text) => Expr::Literal(self.number(&text)?),
            TokenKind::Date(text) => {
                let date = DateTime::parse(&text).ok_or(self.error("a date does not exist"))?;
                Expr::Literal(if text.contains('T') { Literal::DateTime(date) } else { Literal::Date(date) })
            }
            TokenKind::Time(text) => {
                let (time, precision) = Time::parse(&text).ok_or(self.error("a time does not exist"))?;
                Expr::Literal(Literal::Time(time, precision))
            }
            _ => {
                self.position -= 1;
                return Err(self.error("a value or name is expected"));
            }
        };
        Ok((expr, 1))
    }

    fn named_term(&mut self, name: String, is_quoted: bool) -> Result<Node, ExpressionError> {
        self.position += 1;
        if !is_quoted && (name == "true" || name == "false") {
            return Ok((Expr::Literal(Literal::Boolean(name == "true")), 1));
        }
        if !self.take("(") {
            return Ok((Expr::Member(name.into()), 1));
        }
        if let Some(make) = type_function(&name) {
            let type_name = self.type_name()?;
            self.expect(")", "a closing parenthesis is missing")?;
            return Ok((make(Box::new(Expr::This), type_name), 2));
        }
        self.call(&name)
    }

    fn special(&mut self) -> Result<Expr, ExpressionError> {
        let expr = match self.peek() {
            Some(TokenKind::Name(name, false)) if name == "this" => Expr::This,
            Some(TokenKind::Name(name, false)) if name == "index" => Expr::Index,
            Some(TokenKind::Name(name, false)) if name == "total" => Expr::Total,
            _ => return Err(self.error("$this, $index or $total is expected")),
        };
        self.position += 1;
        Ok(expr)
    }

    fn name(&mut self) -> Result<String, ExpressionError> {
        match self.peek().cloned() {
            Some(TokenKind::Name(name, _)) => {
                self.position += 1;
                Ok(name)
            }
            _ => Err(self.error("a name is expected")),
        }
    }

    fn type_name(&mut self) -> Result<TypeName, ExpressionError> {
        let first = self.name()?;
        let is_qualified = first == "FHIR" || first == "System";
        if is_qualified && self.take(".") {
            return Ok(TypeName { namespace: Some(first.into()), name: self.name()?.into() });
        }
        Ok(TypeName { namespace: None, name: first.into() })
    }

    /// A number, or a quantity when a unit follows.
    fn number(&mut self, text: &str) -> Result<Literal, ExpressionError> {
        let decimal = Decimal::parse(text).ok_or(self.error("a number is too long"))?;
        let unit = match self.peek() {
            Some(TokenKind::Text(unit)) => Some((unit.clone(), false)),
            Some(TokenKind::Name(name, false)) if calendar_unit(name).is_some() => Some((name.clone(), true)),
            _ => None,
        };
        if let Some((unit, is_calendar)) = unit {
            self.position += 1;
            return Ok(Literal::Quantity(decimal, unit.into(), is_calendar));
        }
        if text.contains('.') {
            return Ok(Literal::Decimal(decimal));
        }
        text.parse().map(Literal::Integer).map_err(|_| self.error("a number is too long"))
    }
}

fn type_function(name: &str) -> Option<fn(Box<Expr>, TypeName) -> Expr> {
    match name {
        "is" => Some(Expr::Is),
        "as" => Some(Expr::As),
        "ofType" => Some(Expr::OfType),
        _ => None,
    }
}

/// The singular of a calendar unit: `days` is `day`.
pub(super) fn calendar_unit(name: &str) -> Option<&str> {
    let singular = name.strip_suffix('s').unwrap_or(name);
    matches!(singular, "year" | "month" | "week" | "day" | "hour" | "minute" | "second" | "millisecond")
        .then_some(singular)
}
