//! Pages that everybody may read, and the switch of language.

use crate::Done;
use crate::browser::Browser;
use crate::texts::text;

/// Home, help, privacy, sign-in, and an address where nothing is; then the other language, on the same page.
pub async fn read(browser: Browser) -> Done {
    browser.goto("/").await?;
    browser.look("home", "home-title").await?;
    browser.follow("footer a[href='/help']").await?;
    browser.look("help", "help-title").await?;
    browser.follow("footer a[href='/privacy']").await?;
    browser.look("privacy", "privacy-title").await?;
    browser.follow("nav a[href='/sign-in']").await?;
    browser.look("sign-in", "sign-in-title").await?;
    browser.goto("/nowhere").await?;
    browser.look("not-found", "error-not-found-title").await?;
    assert_eq!(browser.status().await?, 404);
    browser.follow("#next").await?;
    assert_eq!(browser.path().await?, "/");
    the_checks_check(&browser).await?;

    for path in ["/help", "/institutions?name=%EC%83%88%EC%98%A8&region=&kind=&from=&to=", "/verify", "/nowhere"] {
        switch_there_and_back(&browser, path).await?;
    }
    Ok(())
}

/// A page that is spoilt on purpose is found out.
async fn the_checks_check(browser: &Browser) -> Done {
    if browser.world.axe.is_none() {
        return Ok(());
    }
    assert!(browser.violations().await?.is_empty());
    let spoil =
        "document.querySelector('.lead').style.color = '#ddd'; document.querySelector('main').append(new Image())";
    browser.run(spoil, vec![]).await?;
    let found = browser.violations().await?;
    for rule in ["color-contrast", "image-alt"] {
        assert!(found.iter().any(|violation| violation.starts_with(rule)), "{rule} is not among {found:?}");
    }
    Ok(())
}

async fn switch_there_and_back(browser: &Browser, path: &str) -> Done {
    let (own, other) = (browser.language(), browser.language().other());
    browser.goto(path).await?;
    let menu = text(own, "nav-institutions");
    assert_eq!(browser.text("nav a[href='/institutions']").await?, menu, "{path}");
    for language in [other, own] {
        browser.follow("nav a[hreflang]").await?;
        assert_eq!(browser.path().await?, path, "the switch keeps the page");
        assert_eq!(browser.attribute("html", "lang").await?.as_deref(), Some(language.tag()), "{path}");
        assert_eq!(browser.text("nav a[href='/institutions']").await?, text(language, "nav-institutions"), "{path}");
    }
    Ok(())
}
