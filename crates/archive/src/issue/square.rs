//! Squares: the QR code of a text as one path of an SVG, for paper and for pages. Draws, and knows nothing of what the text says.

/// Width of the empty edge, in modules.
const QUIET: usize = 2;

/// A QR code, at a level of correction that survives a fold or a stain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Square {
    /// Length of a side in modules, the empty edge included: the SVG's view box.
    pub side: usize,
    /// The dark modules, as data of an SVG path.
    pub path: String,
}

/// A text does not fit a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct TooLong;

impl Square {
    /// The square of a text.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn of(text: &str) -> Result<Self, TooLong> {
        let code = qrcode::QrCode::with_error_correction_level(text.as_bytes(), qrcode::EcLevel::M);
        let code = code.map_err(|_| TooLong)?;
        let (width, colours) = (code.width(), code.to_colors());
        let mut path = String::new();
        for (y, line) in colours.chunks(width).enumerate() {
            let mut x = 0;
            while x < width {
                let run = line[x..].iter().take_while(|colour| **colour == qrcode::Color::Dark).count();
                if run > 0 {
                    path.push_str(&format!("M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET));
                }
                x += run.max(1);
            }
        }
        Ok(Self { side: width + 2 * QUIET, path })
    }

    /// The whole SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        let Self { side, path } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\"><path fill=\"#fff\" \
             d=\"M0 0h{side}v{side}h-{side}z\"/><path fill=\"#1d2733\" d=\"{path}\"/></svg>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_has_its_three_corners_and_an_empty_edge() {
        let square = Square::of("https://records.example/verify/HM-2026-7K3D-Q9FA-M2X4").expect("it is short");
        let far = square.side - QUIET - 7;
        for corner in
            [format!("M{QUIET} {QUIET}h7v1h-7z"), format!("M{far} {QUIET}h7v1h-7z"), format!("M{QUIET} {far}h7v1h-7z")]
        {
            assert!(square.path.contains(&corner), "{corner} in {}", square.path);
        }
        assert!(!square.path.contains("M0 ") && !square.path.contains(" 0h"));
        assert!(square.svg().contains(&square.path));
        assert_eq!(Square::of(&"a".repeat(4_296)), Err(TooLong));
    }
}
