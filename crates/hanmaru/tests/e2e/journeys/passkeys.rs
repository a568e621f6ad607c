//! Passkeys of people, with the browser's own authenticator: instead of an app, again at the next sign-in, and those refused.

use crate::Done;
use crate::authenticator::Somebody;
use crate::browser::Browser;
use crate::texts::text;
use identity::PASSKEY_COOKIE;

/// Sets a passkey up instead of an app, comes again with it, makes another and removes the first.
pub async fn instead_of_an_app(browser: Browser) -> Done {
    let mut person = browser.world.anybody();
    browser.authenticator(true).await?;
    browser.goto("/records").await?;
    browser.follow("#start").await?;
    browser.prove_at_agency(&person, false).await?;
    browser.follow("#passkey-way").await?;
    browser.look("passkey-enrol", "passkey-enrol-title").await?;
    browser.follow("#passkey").await?;
    browser.look("records-by-passkey", "records-title").await?;

    browser.goto("/account/passkeys").await?;
    browser.look("passkeys", "passkeys-title").await?;
    assert_eq!(browser.count("#passkeys li").await?, 1);
    browser.follow("#passkeys button").await?;
    assert_eq!(browser.text("#passkey-fault").await?, text(browser.language(), "passkey-fault-last"));
    browser.follow("#add-passkey").await?;
    browser.look("passkey-add", "passkeys-add-title").await?;
    browser.click("#passkey").await?;
    browser.until("#passkey-failed:not([hidden])").await?;
    browser.look("passkey-failed", "passkeys-add-title").await?;
    browser.authenticator(false).await?;
    browser.follow("#passkey").await?;
    assert_eq!(browser.count("#passkeys li").await?, 2);
    browser.follow("#passkeys li:first-child button").await?;
    browser.look("passkey-removed", "passkeys-title").await?;
    assert_eq!(browser.count("#passkeys li").await?, 1);
    an_app_beside(&browser, &mut person).await?;
    browser.sign_out().await?;

    browser.goto("/access").await?;
    browser.follow("#start").await?;
    browser.prove_at_agency(&person, false).await?;
    assert_eq!(browser.path().await?, "/sign-in/passkey", "no code is asked for");
    browser.look("passkey-use", "passkey-use-title").await?;
    browser.follow("#passkey").await?;
    assert_eq!(browser.path().await?, "/access", "sign-in leads to what was asked for");
    browser.goto("/account/notices").await?;
    browser.look("notices", "notices-title").await?;
    assert!(browser.count("#notices li").await? >= 5, "passkeys and apps came and went");
    browser.goto("/account/sessions").await?;
    browser.look("account-sessions", "account-title").await
}

/// Sets an app up beside the passkey, puts another in its place, and removes it.
async fn an_app_beside(browser: &Browser, person: &mut Somebody) -> Done {
    browser.goto("/account").await?;
    browser.follow("#go-app").await?;
    browser.look("app-none", "app-title").await?;
    browser.follow("#set-up").await?;
    browser.look("app-new", "enrol-title").await?;
    person.enrol(&browser.text("#secret").await?)?;
    browser.give_code(&person.wrong_code()?).await?;
    browser.look("app-faulty", "enrol-title").await?;
    let code = person.code().await?;
    browser.give_code(&code).await?;
    browser.look("app", "app-title").await?;
    browser.follow("#replace").await?;
    person.enrol(&browser.text("#secret").await?)?;
    let code = person.code().await?;
    browser.give_code(&code).await?;
    browser.click("#sure").await?;
    browser.look("app-sure", "app-title").await?;
    browser.follow("#remove").await?;
    browser.look("app-removed", "app-title").await?;
    assert!(browser.has("#none").await?, "it is gone");
    Ok(())
}

/// The same answer twice, and a page at another address.
pub async fn replayed_and_elsewhere(browser: Browser) -> Done {
    browser.authenticator(false).await?;
    let link = browser.invite("박도윤", "operator").await?;
    browser.goto(&link).await?;
    browser.follow("#passkey").await?;
    browser.sign_out().await?;

    browser.goto("/staff/sign-in").await?;
    let caught = "const form = document.getElementById('passkey-form'); \
                  form.requestSubmit = () => { document.body.dataset.answer = form.elements.answer.value; }";
    browser.run(caught, vec![]).await?;
    browser.click("#passkey").await?;
    browser.until("body[data-answer]").await?;
    let answer = browser.attribute("body", "data-answer").await?.ok_or("no answer")?;
    let cookie = browser.cookie(PASSKEY_COOKIE).await?.ok_or("no challenge")?;
    let cookie = format!("{PASSKEY_COOKIE}={cookie}");
    let first = browser.send("/staff/sign-in", &cookie, &[("answer", &answer)]).await?;
    assert_eq!(first, 303, "the answer holds");
    let again = browser.send("/staff/sign-in", &cookie, &[("answer", &answer)]).await?;
    assert_eq!(again, 422, "and it holds once");

    let elsewhere = browser.world.portal_url.replace("localhost", "127.0.0.1");
    browser.goto(&format!("{elsewhere}/staff/sign-in")).await?;
    browser.click("#passkey").await?;
    browser.until("#passkey-failed:not([hidden])").await
}
