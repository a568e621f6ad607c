//! The command line for staff: the first invitation, and the end of an account.

use crate::program::Program;

#[test]
fn staff_are_invited_listed_and_off_boarded() {
    let program = Program::new(&[]);
    let none = program.run(&["staff", "list"]);
    assert_eq!((none.code, none.out.as_str()), (Some(0), ""), "{none:?}");
    let invited = program.run(&["staff", "invite", "--name", "박도윤", "--role", "operator"]);
    assert_eq!(invited.code, Some(0), "{invited:?}");
    let account = invited.out.lines().find_map(|line| line.strip_prefix("account ")).expect("it is told").to_owned();
    let link = |said: &str| said.lines().find(|line| line.contains("/staff/enrol/")).map(ToOwned::to_owned);
    let first = link(&invited.out).expect("a link");
    let again = program.run(&["staff", "invite-again", &account]);
    assert_ne!(link(&again.out).expect("another link"), first);
    let listed = program.run(&["staff", "list"]).out;
    assert!(listed.contains(&account) && listed.contains("invited") && listed.contains("박도윤"), "{listed}");

    let ended = program.run(&["staff", "off-board", &account]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("0 passkeys, 1 invitations and 1 rights are gone"), "{ended:?}");
    assert!(ended.out.contains("NOT at the sites yet"), "nobody seals here: {ended:?}");
    assert!(program.run(&["staff", "list"]).out.contains("left"));
    for wrong in [
        ["staff", "off-board", &account].as_slice(),
        &["staff", "invite-again", &account],
        &["staff", "invite", "--name", "x", "--role", "king"],
        &["staff", "invite", "--name", "x", "--role", "depositor"],
        &["staff", "invite", "--name", " ", "--role", "operator"],
        &["staff", "off-board", "x"],
    ] {
        let said = program.run(wrong);
        assert_ne!(said.code, Some(0), "{wrong:?}: {said:?}");
        assert!(!said.err.is_empty(), "{wrong:?} says why");
    }
}
