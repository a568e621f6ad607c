//! The door as its callers see it: the tables beside the policies, and what must hold for any request.

mod scopes;
mod tables;

use base::Id16;
use policy::{Action, Actor, Assurance, InstitutionCode, Purpose, Request, Role, Target};

fn id(name: &str) -> Id16 {
    Id16::derived(&[name])
}

fn code(text: &str) -> InstitutionCode {
    InstitutionCode::new(text).expect("tests use valid codes")
}

fn request(
    account: &str,
    role: Role,
    assurance: Assurance,
    action: Action,
    target: Target,
    purpose: Purpose,
) -> Request {
    let actor = Actor {
        account: id(account),
        role,
        assurance,
        name: account.to_owned().into(),
        source: "local".to_owned().into(),
    };
    Request { actor, action, target, purpose }
}
