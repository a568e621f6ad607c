//! Colleagues in the matrix: whom administrators invite, give rights to and end, and whose second factors are asked to be reset. Each
//! is somebody of their own, since what is done to one cannot be undone.

use super::acts::{Acts, Sent};
use super::maker::{REASON, appointed, role_of};
use crate::site::Site;
use base::Id16;
use identity::{Invitation, SESSION_COOKIE, Session};
use policy::{Action, Permit, Purpose, Role, Target};
use store::Right;
use synth::passkey::SoftKey;

/// Who gives rights.
pub const INVITING: &[&str] = &["administrator"];
pub const INVITED: &[&str] = &["invited", "came", "left", "oneself", "a person", "nothing"];
pub const CONFIRMED: &[&str] = &[
    "asked by another",
    "asked by oneself",
    "asked by another, invited by oneself",
    "asked by another, invited",
    "asked by another for oneself",
    "not asked",
    "left",
    "a person",
    "nothing",
];
pub const GIVEN: &[&str] =
    &["came", "invited", "holds it", "asked by another", "left", "oneself", "a person", "nothing"];
pub const TAKEN: &[&str] = &["holds it", "asked by another", "came", "left", "oneself", "a person", "nothing"];
pub const ENDED: &[&str] = &["came", "invited", "left", "oneself", "a person", "nothing"];
pub const RECOVERED: &[&str] =
    &["came", "recovery asked by another", "invited", "left", "oneself", "a person", "nothing"];
pub const FOUND: &[&str] = &["colleague", "own", "nothing"];
pub const APPROVED: &[&str] = &[
    "colleague",
    "colleague, asked by the administrator",
    "colleague, approved by oneself",
    "colleague, refused",
    "a patient",
    "own",
    "own records",
    "nothing",
];
pub const REFUSED: &[&str] =
    &["colleague", "colleague, approved by oneself", "colleague, refused", "own", "own records", "nothing"];

/// What is given and taken.
const ROLE: Role = Role::Auditor;

/// What an administrator sends about somebody.
pub fn person(acts: &Acts, path: &str, asker: &'static str, thing: &str) -> Sent {
    let (maker, identity) = (&acts.maker, &acts.maker.site.identity);
    let (own, another) = (maker.accounts[asker], maker.another(Role::Administrator));
    let came = |right| come(maker.site, &identity.staff_invite("동료", &[right]).expect("a good name")).1;
    let invited = || identity.staff_invite("동료", &[]).expect("a good name").account;
    let asked = |by, account| {
        maker.site.world.store().ask_right(&maker.rights(by), account, &appointed(ROLE)).expect("asked");
        account
    };
    let account = match thing {
        "-" => return Sent::default(),
        "with all in it" => return Sent::form(&[("name", "동료"), ("role", ROLE.name())]),
        "came" | "not asked" => came(Right::Operator),
        "invited" => invited(),
        "holds it" => came(appointed(ROLE)),
        "asked by another" => asked(another, came(Right::Operator)),
        "asked by oneself" => asked(own, came(Right::Operator)),
        "asked by another, invited by oneself" => {
            let link = identity.staff_invite_as(&maker.rights(own), "동료", &Right::Operator).expect("invited");
            asked(another, come(maker.site, &link).1)
        }
        "asked by another, invited" => asked(another, invited()),
        "asked by another for oneself" => asked(another, own),
        "recovery asked by another" => {
            let account = came(Right::Operator);
            identity.recovery_ask_for(&maker.rights(another), account).expect("asked");
            account
        }
        "left" => {
            let account = came(Right::Operator);
            identity.off_board(account).expect("ended");
            account
        }
        "oneself" => own,
        "a person" => maker.kim,
        _ => Id16::default(),
    };
    // Of oneself what one holds is taken.
    let role = if (path, thing) == ("/staff/people/take", "oneself") { role_of(asker) } else { ROLE };
    Sent::form(&[("role", role.name())]).with("account", account)
}

/// What those send who decide about a request to reset second factors.
pub fn recovery(acts: &Acts, asker: &'static str, thing: &str) -> Sent {
    let (maker, identity) = (&acts.maker, &acts.maker.site.identity);
    let (own, another) = (maker.accounts[asker], maker.another(Role::Administrator));
    let ask_for = |account, by| {
        let asked = identity.recovery_ask_for(&maker.rights(by), account).expect("asked");
        asked.code.expose().clone()
    };
    let colleague = || come(maker.site, &identity.staff_invite("동료", &[]).expect("a good name")).1;
    let code = match thing {
        "colleague" => ask_for(colleague(), another),
        "colleague, asked by the administrator" => ask_for(colleague(), maker.accounts["administrator"]),
        "colleague, approved by oneself" | "colleague, refused" => {
            let account = colleague();
            let code = ask_for(account, another);
            let (session, permit) = deciding(acts, asker, account);
            let decided = if thing.ends_with("refused") {
                identity.recovery_refuse(&permit, &session, &code, REASON)
            } else {
                identity.recovery_approve(&permit, &session, &code, REASON, REASON).map(drop)
            };
            decided.expect("decided");
            code
        }
        "own" => ask_for(own, another),
        "a patient" => asked_by_the_patient(acts),
        // One for all of them, since nobody gets through with it; a person is not heard without end in a day.
        "own records" => acts.own_request.get_or_init(|| asked_by_the_patient(acts)).clone(),
        _ => "0000-0000-0000".to_owned(),
    };
    Sent::form(&[("reason", REASON), ("proof", REASON)]).with("code", code)
}

/// The session of a column, and its permit to decide about somebody's second factors.
fn deciding(acts: &Acts, column: &'static str, account: Id16) -> (Session, Permit) {
    let session = acts.maker.site.identity.session(&acts.tokens[column]).expect("a session");
    let (role, action) = (role_of(column), Action::DecideRecovery);
    let permit =
        acts.maker.permit(acts.maker.accounts[column], role, action, Target::Person(account), Purpose::Operation);
    (session, permit)
}

/// The first patient asks, who has a second factor and came with the first alone; once, since the agency says who they are only so
/// often.
fn asked_by_the_patient(acts: &Acts) -> String {
    let site = acts.maker.site;
    let token = acts.half_of_the_patient.get_or_init(|| {
        let half = site.browser().at([127, 0, 0, 5]);
        site.prove(&half, &site.kim);
        half.cookies.borrow()[SESSION_COOKIE].clone()
    });
    let session = site.identity.session(token).expect("a session");
    site.identity.recovery_ask(&session).expect("asked").code.expose().clone()
}

/// Takes an invitation up, with a passkey.
pub fn come(site: &Site, invitation: &Invitation) -> (SoftKey, Id16) {
    let (identity, token) = (&site.identity, invitation.token.expose());
    let (_, ask) = identity.staff_enrol(token).expect("a fresh invitation");
    let mut key = SoftKey::new(&site.url);
    let answer = key.create(&ask.options);
    identity.staff_enrolled(token, ask.cookie.expose(), &answer, "열쇠", "192.0.2.10").expect("a good passkey");
    (key, invitation.account)
}
