//! Staff: the first passkey by an invitation, signing in with it alone, inviting another whose role a second administrator confirms
//! once they came, giving and taking a further role, and ending that one's account. And a reset of second factors that the person stops.

use crate::browser::Browser;
use crate::texts::text;
use crate::{Done, Fault};

/// From the invitation on the command line to the end of a colleague's account.
pub async fn come_and_go(browser: Browser) -> Done {
    let elsewhere = browser.another().await?;
    let third = browser.another().await?;
    let walked = three_members(&browser, &elsewhere, &third).await;
    elsewhere.close().await;
    third.close().await;
    walked
}

async fn three_members(browser: &Browser, elsewhere: &Browser, third: &Browser) -> Done {
    let link = browser.invite("박도윤", "administrator").await?;
    browser.authenticator(true).await?;
    browser.goto(&link).await?;
    browser.look("staff-enrol", "staff-enrol-title").await?;
    browser.follow("#passkey").await?;
    assert_eq!(browser.status().await?, 422);
    assert_eq!(browser.text("#passkey-fault").await?, text(browser.language(), "passkey-fault-copyable"));
    browser.look("staff-enrol-copyable", "staff-enrol-title").await?;
    browser.authenticator(false).await?;
    browser.follow("#passkey").await?;
    browser.look("staff", "staff-title").await?;
    browser.goto(&link).await?;
    browser.look("staff-enrol-again", "error-invitation-title").await?;
    assert_eq!(browser.status().await?, 410);

    browser.goto("/staff").await?;
    browser.sign_out().await?;
    browser.goto("/staff/people").await?;
    browser.look("staff-sign-in", "staff-sign-in-title").await?;
    browser.follow("#passkey").await?;
    browser.look("staff-again", "staff-title").await?;
    // Staff are nobody's patients here.
    browser.goto("/records").await?;
    browser.look("staff-at-records", "sign-in-title").await?;

    browser.goto("/staff/people").await?;
    browser.look("staff-people", "people-title").await?;
    let name = format!("최서아 {}", browser.view);
    browser.fill("#name", &name).await?;
    browser.choose("#role", "depositor").await?;
    browser.follow("#invite").await?;
    assert_eq!(browser.status().await?, 422, "a depositor is one of a hospital");
    browser.look("staff-invite-faulty", "people-title").await?;
    browser.fill("#name", &name).await?;
    browser.choose("#role", "operator").await?;
    browser.follow("#invite").await?;
    browser.look("staff-invited", "people-title").await?;
    let link = browser.text("#link").await?;
    let form = form_of(browser, &name, "confirm").await?;
    assert_eq!(form, None, "who asked for a role does not confirm it");
    elsewhere.authenticator(false).await?;
    elsewhere.goto(&link).await?;
    elsewhere.follow("#passkey").await?;
    elsewhere.look("staff-colleague", "staff-title").await?;
    second_administrator(third, &name).await?;
    further_role(browser, &name).await?;
    browser.goto("/staff/people").await?;
    let form = form_of(browser, &name, "off-board").await?.ok_or("the colleague is not listed")?;
    browser.follow(&format!("[id='{form}'] button")).await?;
    browser.look("staff-off-boarded", "people-title").await?;
    assert!(browser.has("#done").await?);
    elsewhere.goto("/staff").await?;
    elsewhere.look("staff-ended", "error-session-title").await?;
    elsewhere.goto("/staff/sign-in").await?;
    elsewhere.follow("#passkey").await?;
    assert_eq!(elsewhere.text("#passkey-fault").await?, text(browser.language(), "passkey-fault-unknown"));
    Ok(())
}

/// Another administrator confirms the role that somebody was invited to.
async fn second_administrator(browser: &Browser, name: &str) -> Done {
    browser.authenticator(false).await?;
    let link = browser.invite(&format!("강은우 {}", browser.view), "administrator").await?;
    browser.goto(&link).await?;
    browser.follow("#passkey").await?;
    browser.goto("/staff/people").await?;
    browser.look("staff-people-second", "people-title").await?;
    let form = form_of(browser, name, "confirm").await?.ok_or("nothing waits for a second administrator")?;
    browser.follow(&format!("[id='{form}'] button")).await?;
    browser.look("staff-confirmed", "people-title").await?;
    assert_eq!(browser.text("#done").await?, text(browser.language(), "people-confirmed"));
    assert_eq!(form_of(browser, name, "confirm").await?, None, "it is confirmed once");
    browser.sign_out().await
}

/// A further role is asked for and withdrawn, and the one that was given is taken away.
async fn further_role(browser: &Browser, name: &str) -> Done {
    let language = browser.language();
    browser.goto("/staff/people").await?;
    let off = form_of(browser, name, "off-board").await?.ok_or("the colleague is not listed")?;
    browser.choose("#give-account", off.trim_start_matches("off-")).await?;
    browser.choose("#give-role", "operator").await?;
    browser.follow("#give").await?;
    assert_eq!(browser.status().await?, 422);
    browser.look("staff-give-faulty", "people-title").await?;
    assert_eq!(browser.text("#give-role-fault").await?, text(language, "people-give-held"));
    browser.choose("#give-role", "auditor").await?;
    browser.follow("#give").await?;
    browser.look("staff-give-asked", "people-title").await?;
    assert_eq!(browser.text("#done").await?, text(language, "people-give-asked"));
    for _ in ["the operator", "the auditor"] {
        let form = form_of(browser, name, "take").await?.ok_or("there is nothing to take")?;
        browser.follow(&format!("[id='{form}'] button")).await?;
        assert_eq!(browser.text("#done").await?, text(language, "people-taken"));
    }
    browser.look("staff-taken", "people-title").await?;
    assert_eq!(form_of(browser, name, "take").await?, None);
    Ok(())
}

/// The id of the form beside somebody in the list of staff that leads there.
async fn form_of(browser: &Browser, name: &str, to: &str) -> Result<Option<String>, Fault> {
    let find =
        "const line = [...document.querySelectorAll('#people li')].find(li => li.innerText.includes(arguments[0]));
                return line.querySelector(`form[action$='/${arguments[1]}']`)?.id ?? null";
    Ok(browser.run(find, vec![name.into(), to.into()]).await?.as_str().map(ToOwned::to_owned))
}

/// Somebody who lost their phone asks, and the first of two members of staff approves.
pub async fn recover(browser: Browser) -> Done {
    let elsewhere = browser.another().await?;
    let walked = person_and_staff(&browser, &elsewhere).await;
    elsewhere.close().await;
    walked
}

async fn person_and_staff(browser: &Browser, elsewhere: &Browser) -> Done {
    let mut person = browser.world.anybody();
    browser.sign_in(&mut person).await?;
    browser.sign_out().await?;
    browser.goto("/records").await?;
    browser.follow("#start").await?;
    browser.prove_at_agency(&person, false).await?;
    browser.follow("#lost").await?;
    browser.look("recover", "recover-title").await?;
    browser.follow("#recover").await?;
    browser.look("recover-asked", "recover-title").await?;
    let asked = browser.text("#recovery-code").await?;

    elsewhere.authenticator(false).await?;
    let link = elsewhere.invite("박도윤", "operator").await?;
    elsewhere.goto(&link).await?;
    elsewhere.follow("#passkey").await?;
    elsewhere.follow("#go-recovery").await?;
    elsewhere.look("staff-recovery", "recovery-title").await?;
    elsewhere.fill("#code", "0000 0000 0000").await?;
    elsewhere.follow("#find").await?;
    elsewhere.look("staff-recovery-none", "recovery-title").await?;
    assert_eq!(elsewhere.text("#code-fault").await?, text(browser.language(), "recovery-over"));
    elsewhere.fill("#code", &asked.to_lowercase().replace('-', " ")).await?;
    elsewhere.follow("#find").await?;
    elsewhere.look("staff-recovery-found", "recovery-title").await?;
    assert_eq!(elsewhere.text("#request").await?, person.name);
    elsewhere.fill("#proof", "주민등록증").await?;
    elsewhere.fill("#reason", "휴대전화를 잃어버림").await?;
    elsewhere.follow("#approve").await?;
    elsewhere.look("staff-recovery-waiting", "recovery-title").await?;
    assert_eq!(elsewhere.count("#approvals li").await?, 1);
    elsewhere.fill("#proof", "주민등록증").await?;
    elsewhere.fill("#reason", "휴대전화를 잃어버림").await?;
    elsewhere.follow("#approve").await?;
    assert_eq!(elsewhere.text("#code-fault").await?, text(browser.language(), "recovery-twice"));

    browser.goto("/sign-in/second-step").await?;
    let code = person.code().await?;
    browser.give_code(&code).await?;
    browser.look("records-with-notice", "records-title").await?;
    assert!(browser.has("#notice-bar").await?, "whoever found the phone is told that somebody asked");
    browser.goto("/access").await?;
    browser.look("access-with-approval", "access-title").await?;
    browser.goto("/account/prove").await?;
    browser.look("prove", "prove-title").await?;
    stop_it(browser).await?;
    elsewhere.goto("/staff/recovery").await?;
    elsewhere.fill("#code", &asked).await?;
    elsewhere.follow("#find").await?;
    assert_eq!(elsewhere.text("#code-fault").await?, text(browser.language(), "recovery-over"), "it was stopped");
    Ok(())
}

/// Whoever still has both factors stops the reset.
async fn stop_it(browser: &Browser) -> Done {
    browser.goto("/records").await?;
    browser.follow("#notice-bar a").await?;
    browser.look("notices-reset-asked", "notices-title").await?;
    assert!(browser.has("#recovery-open").await?);
    browser.follow("#object-form button").await?;
    browser.look("notices-reset-stopped", "notices-title").await?;
    assert_eq!(browser.text("#done").await?, text(browser.language(), "notices-recovery-stopped"));
    assert!(!browser.has("#recovery-open").await?, "it can be stopped once");
    Ok(())
}
