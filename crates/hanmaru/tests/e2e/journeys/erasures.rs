//! Erasures: a data steward asks for one, a security officer and an administrator approve it, and it is withdrawn while it waits.

use crate::browser::Browser;
use crate::texts::text;
use crate::world::ALL;
use crate::{Done, Fault};

/// From the request to the waiting period, and given up.
pub async fn ask_and_approve(browser: Browser) -> Done {
    let elsewhere = browser.another().await?;
    let walked = three_members(&browser, &elsewhere).await;
    elsewhere.close().await;
    walked
}

/// Somebody new of the staff in a browser, in place of whoever was there.
async fn arrive(browser: &Browser, name: &str, role: &str) -> Result<(), Fault> {
    browser.authenticator(false).await?;
    let link = browser.invite(name, role).await?;
    browser.goto(&link).await?;
    browser.follow("#passkey").await
}

async fn three_members(browser: &Browser, elsewhere: &Browser) -> Done {
    let language = browser.language();
    let (institution, numbers) = browser.world.patients();
    // Each view has a patient of its own.
    let at = ALL.iter().position(|view| *view == browser.view).expect("one of all views");
    let number = &numbers[at];
    arrive(browser, "박도윤", "steward").await?;
    browser.follow("#go-erasures").await?;
    browser.look("erasures", "erasures-title").await?;
    browser.fill("#institution", &institution).await?;
    browser.fill("#number", "nobody").await?;
    browser.follow("#look").await?;
    assert_eq!(browser.status().await?, 422);
    browser.look("erasures-unknown", "erasures-title").await?;
    browser.fill("#institution", &institution).await?;
    browser.fill("#number", number).await?;
    browser.follow("#look").await?;
    browser.look("erasure-ask", "erasure-ask-title").await?;
    assert!(browser.count("#takes li").await? > 1 && browser.has("#against").await?);
    browser.follow("#ask").await?;
    browser.look("erasure-ask-faulty", "erasure-ask-title").await?;
    browser.fill("#reason", "정보주체가 삭제를 요구함").await?;
    browser.fill("#basis", "개인정보 보호법 제36조제1항").await?;
    browser.click("#despite").await?;
    browser.follow("#ask").await?;
    browser.look("erasure-asked", "erasure-title").await?;
    assert_eq!(browser.text("#hindered").await?, text(language, "erasure-own"));
    let address = browser.path().await?;

    for (name, role, said) in [("한지우", "security-officer", "officer"), ("최서아", "administrator", "admin")] {
        arrive(elsewhere, name, role).await?;
        elsewhere.goto(&address).await?;
        elsewhere.look(&format!("erasure-for-{said}"), "erasure-title").await?;
        elsewhere.follow("#approve").await?;
        elsewhere.look(&format!("erasure-by-{said}"), "erasure-title").await?;
        assert_eq!(elsewhere.text("#done").await?, text(language, "erasure-approved"));
        assert!(!elsewhere.has("#approve").await?);
    }
    assert_eq!(elsewhere.text("#state").await?, text(language, "erasure-state-approved"));
    browser.goto("/staff/erasures").await?;
    browser.look("erasures-under-way", "erasures-title").await?;
    browser.goto(&address).await?;
    browser.follow("#withdraw").await?;
    browser.look("erasure-withdrawn", "erasure-title").await?;
    assert_eq!(browser.text("#state").await?, text(language, "erasure-state-withdrawn"));
    browser.goto(&format!("{address}/certificate")).await?;
    assert_eq!(browser.status().await?, 404, "nothing was erased");
    Ok(())
}
