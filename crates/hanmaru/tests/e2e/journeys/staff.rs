//! Staff: the first passkey by an invitation, signing in with it alone, inviting another, and ending that one's account.

use crate::Done;
use crate::browser::Browser;
use crate::texts::text;

/// From the invitation on the command line to the end of a colleague's account.
pub async fn come_and_go(browser: Browser) -> Done {
    let elsewhere = browser.another().await?;
    let walked = two_members(&browser, &elsewhere).await;
    elsewhere.close().await;
    walked
}

async fn two_members(browser: &Browser, elsewhere: &Browser) -> Done {
    let link = browser.invite("박도윤", "operator").await?;
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

    elsewhere.authenticator(false).await?;
    elsewhere.goto(&link).await?;
    elsewhere.follow("#passkey").await?;
    elsewhere.look("staff-colleague", "staff-title").await?;
    browser.goto("/staff/people").await?;
    let find = "return [...document.querySelectorAll('#people li')].find(li => li.innerText.includes(arguments[0]))\
                .querySelector(\"form[action$='off-board']\").id";
    let form = browser.run(find, vec![name.into()]).await?;
    let form = form.as_str().ok_or("the colleague is not listed")?.to_owned();
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
