//! Coming again: the authenticator is set up, and only a fresh code of it opens the door.

use crate::Done;
use crate::browser::Browser;
use crate::texts::text;

/// A wrong code, a code used before, then a fresh one.
pub async fn come_again(browser: Browser) -> Done {
    let mut person = browser.world.anybody();
    browser.sign_in(&mut person).await?;
    browser.sign_out().await?;

    browser.goto("/access").await?;
    browser.follow("#start").await?;
    browser.prove_at_agency(&person, false).await?;
    assert!(!browser.has("#secret").await?, "a secret is shown once and never again");
    browser.look("second-code", "second-title").await?;
    // One factor is not enough for anything personal.
    for path in ["/records", "/access", "/account"] {
        browser.goto(path).await?;
        assert_eq!(browser.path().await?, "/sign-in/second-step", "{path} opened with one factor");
    }
    for (code, fault, picture) in
        [(person.wrong_code()?, "second-wrong", "second-wrong"), (person.used_code()?, "second-used", "second-used")]
    {
        browser.give_code(&code).await?;
        browser.look(picture, "second-title").await?;
        assert_eq!(browser.text("#code-fault").await?, text(browser.language(), fault));
    }
    let code = person.code().await?;
    browser.give_code(&code).await?;
    assert_eq!(browser.path().await?, "/access", "sign-in leads to what was asked for");
    browser.look("access-after-sign-in", "access-title").await?;
    // What was tried before is told, and not as if it had been the person.
    let refused = browser.texts("#accesses .sitting:has(.tag.no)").await?;
    assert!(!refused.is_empty());
    for word in ["access-as-you", "denial-second-factor"] {
        let word = text(browser.language(), word);
        assert!(refused.iter().all(|told| told.contains(&word)), "{word}: {refused:?}");
    }
    Ok(())
}
