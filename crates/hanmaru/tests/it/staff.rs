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

    assert!(listed.contains("    operator\n"), "with their rights: {listed}");
    let at = ["--role", "clinician", "--institution", "31100001"];
    let given = program.run(&[&["staff", "give", &account], &at[..]].concat());
    assert_eq!(given.code, Some(0), "{given:?}");
    assert!(program.run(&["staff", "list"]).out.contains("    clinician at 31100001\n"));
    let take = || program.run(&[&["staff", "take", &account], &at[..]].concat());
    let taken = take();
    assert!(taken.code == Some(0) && taken.out.contains("NOT at the sites yet"), "{taken:?}");
    assert!(!program.run(&["staff", "list"]).out.contains("clinician"));
    assert_ne!(take().code, Some(0), "it is held no more");
    assert_ne!(program.run(&["staff", "confirm", &account]).code, Some(0), "nobody came yet");

    let ended = program.run(&["staff", "off-board", &account]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("0 passkeys, 1 invitations and 1 rights are gone"), "{ended:?}");
    assert!(ended.out.contains("NOT at the sites yet"), "nobody seals here: {ended:?}");
    assert!(program.run(&["staff", "list"]).out.contains("left"));
    for wrong in [
        ["staff", "off-board", &account].as_slice(),
        &["staff", "invite-again", &account],
        &["staff", "give", &account, "--role", "operator"],
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

#[test]
fn the_watch_is_not_told_that_a_member_of_staff_is_nobody() {
    let program = Program::new(&[]);
    let invited = program.run(&["staff", "invite", "--name", "박도윤", "--role", "support"]);
    let account = invited.out.lines().find_map(|line| line.strip_prefix("account ")).expect("it is told").to_owned();
    for (wrong, why) in [("09".repeat(16), "nobody"), ("09090909 09090909".to_owned(), "32 letters")] {
        let said = program.run(&["watch", "staff", &account, "--person", &wrong]);
        assert_ne!(said.code, Some(0), "{wrong}: {said:?}");
        assert!(said.err.contains(why), "{said:?}");
    }
    let nobodys = program.run(&["watch", "staff", &"09".repeat(16), "--institution", "31100001"]);
    assert!(nobodys.code != Some(0) && nobodys.err.contains("no member of staff"), "{nobodys:?}");
    for wrong in [&["watch", "staff", &account][..], &["watch", "staff", &account, "--forget", "--institution", "1"]] {
        assert_eq!(program.run(wrong).code, Some(2), "{wrong:?}");
    }
    for right in [&["--forget"][..], &["--institution", "31100001"]] {
        let said = program.run(&[&["watch", "staff", &account], right].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let missing = program.run(&["watch", "unknown"]);
    assert!(missing.code == Some(1) && missing.out.contains(&account), "still nobody in particular: {missing:?}");
}
