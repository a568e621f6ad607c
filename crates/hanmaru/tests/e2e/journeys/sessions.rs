//! Sessions and forms: cookies that are forged or over, forms without their token or from another site, other devices.

use crate::Done;
use crate::browser::Browser;
use identity::SESSION_COOKIE;

/// A session cookie that nobody gave out, one that is over, and a sign-in that was given up.
pub async fn forged_and_over(browser: Browser) -> Done {
    browser.goto("/").await?;
    browser.set_cookie(SESSION_COOKIE, &"A".repeat(43)).await?;
    session_is_refused(&browser, "session-forged").await?;

    browser.goto("/sign-in").await?;
    browser.follow("#start").await?;
    browser.follow("#cancel").await?;
    browser.look("sign-in-cancelled", "error-sign-in-title").await?;
    browser.goto("/sign-in/return?code=made-up&state=made-up").await?;
    browser.look("sign-in-forged", "error-sign-in-title").await?;
    assert_eq!(browser.status().await?, 400);

    let mut person = browser.world.anybody();
    browser.sign_in(&mut person).await?;
    let kept = browser.cookie(SESSION_COOKIE).await?.ok_or("a session has a cookie")?;
    browser.sign_out().await?;
    browser.set_cookie(SESSION_COOKIE, &kept).await?;
    session_is_refused(&browser, "session-over").await
}

async fn session_is_refused(browser: &Browser, picture: &str) -> Done {
    browser.goto("/records").await?;
    browser.look(picture, "error-session-title").await?;
    assert_eq!(browser.status().await?, 401);
    assert!(browser.cookie(SESSION_COOKIE).await?.is_none(), "a useless cookie is kept");
    browser.follow("#next").await?;
    browser.look("sign-in-again", "sign-in-title").await
}

/// Forms without the session's token, with a wrong one, and from a page of another site.
pub async fn forged_forms(browser: Browser) -> Done {
    let mut person = browser.world.anybody();
    browser.sign_in(&mut person).await?;
    for spoil in ["field.remove()", "field.value = 'A'.repeat(field.value.length)"] {
        for (page, form) in [("/records", "#all-form"), ("/account", "#leave-form")] {
            browser.goto(page).await?;
            let script = format!("const field = document.querySelector('{form} [name=csrf]'); {spoil}");
            browser.run(&script, vec![]).await?;
            browser.follow(&format!("{form} button")).await?;
            browser.look("form-refused", "error-form-title").await?;
            assert_eq!(browser.status().await?, 403);
        }
    }
    let action = format!("{}/sign-out", browser.world.portal_url);
    let page = format!("data:text/html,<form method=post action='{action}'><button id=go>x</button></form>");
    browser.goto(&page).await?;
    browser.follow("#go").await?;
    browser.look("form-of-another-site", "error-form-title").await?;

    browser.goto("/records").await?;
    browser.look("records-still", "records-title").await
}

/// The same person on two devices: one ends the other.
pub async fn end_others(browser: Browser) -> Done {
    let mut person = browser.world.anybody();
    let elsewhere = browser.another().await?;
    let walked = two_devices(&browser, &elsewhere, &mut person).await;
    elsewhere.close().await;
    walked
}

async fn two_devices(browser: &Browser, elsewhere: &Browser, person: &mut crate::authenticator::Somebody) -> Done {
    elsewhere.sign_in(person).await?;
    browser.sign_in(person).await?;
    browser.click("#account-menu").await?;
    browser.look("account-menu", "records-title").await?;
    browser.follow("nav a[href='/account']").await?;
    browser.look("account", "account-title").await?;
    assert_eq!(browser.count("#sessions li").await?, 2);
    browser.follow("#end-others").await?;
    browser.look("account-ended", "account-title").await?;
    assert!(browser.has("#ended").await?);
    assert_eq!(browser.count("#sessions li").await?, 1);

    elsewhere.goto("/records").await?;
    elsewhere.look("session-ended-elsewhere", "error-session-title").await?;
    browser.goto("/account").await?;
    assert!(!browser.has("#end-others").await?, "there is nobody left to send out");
    browser.follow("#leave").await?;
    browser.look("home-after-leaving", "home-title").await
}
