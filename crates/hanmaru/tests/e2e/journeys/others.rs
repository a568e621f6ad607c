//! Whom a person lets look: a consent that is given, changed and withdrawn; a representative who is named, looks, and is ended.

use crate::browser::Browser;
use crate::texts::text;
use crate::{Done, Fault};
use base::{Clock, SystemClock};

/// A hospital of every demonstration.
const HOSPITAL: &str = "99210001";

/// A day that is so many days from now, as a form sends it.
pub fn day_in(days: i64) -> Result<String, Fault> {
    let day = SystemClock::new().now().checked_add(jiff::SignedDuration::from_hours(24 * days))?;
    Ok(day.to_string()[..10].to_owned())
}

/// Consents first, then a representative in a browser of their own.
pub async fn let_look(browser: Browser) -> Done {
    let elsewhere = browser.another().await?;
    let mut person = browser.world.adult();
    let walked = async {
        browser.sign_in(&mut person).await?;
        consents(&browser).await?;
        representatives(&browser, &elsewhere).await
    };
    let walked = walked.await;
    elsewhere.close().await;
    walked
}

async fn consents(browser: &Browser) -> Done {
    browser.click("#account-menu").await?;
    browser.follow("nav a[href='/consents']").await?;
    browser.look("consents-none", "consents-title").await?;
    browser.follow("#give").await?;
    assert_eq!(browser.status().await?, 422);
    browser.look("consents-faulty", "consents-title").await?;
    for fault in ["grantee", "purpose", "kinds", "institutions", "until"] {
        let said = text(browser.language(), &format!("consents-{fault}-fault"));
        assert!(browser.texts("#error-summary a").await?.contains(&said), "{said}");
    }
    browser.fill("#grantee", HOSPITAL).await?;
    for tick in ["#purpose-care", "#kind-diagnoses", "#kind-medications", "#every-institution"] {
        browser.click(tick).await?;
    }
    browser.set_day("#until", &day_in(30)?).await?;
    browser.follow("#give").await?;
    browser.look("consents-given", "consents-title").await?;
    assert_eq!(browser.texts("#consents .tag").await?, [text(browser.language(), "consents-on")]);

    browser.follow("#consents a[id^='change-']").await?;
    browser.look("consents-change", "consents-title").await?;
    assert!(browser.has("#kind-diagnoses:checked").await?, "the form says what holds");
    browser.click("#kind-tests").await?;
    browser.click("#sensitive-mental-health").await?;
    browser.follow("#give").await?;
    browser.look("consents-changed", "consents-title").await?;
    assert!(browser.text("#consents").await?.contains(&text(browser.language(), "kind-tests")));

    browser.follow("#consents form button").await?;
    browser.look("consents-withdrawn", "consents-title").await?;
    assert_eq!(browser.texts("#consents .tag").await?, [text(browser.language(), "consents-off")]);
    assert!(!browser.has("#consents form").await?, "what was withdrawn cannot be changed");
    Ok(())
}

async fn representatives(browser: &Browser, elsewhere: &Browser) -> Done {
    let mut agent = browser.world.adult();
    elsewhere.sign_in(&mut agent).await?;
    elsewhere.goto("/representatives").await?;
    elsewhere.look("representatives-none", "representatives-title").await?;
    let code = elsewhere.text("#own-code").await?;

    browser.click("#account-menu").await?;
    browser.follow("nav a[href='/representatives']").await?;
    let own = browser.text("#own-code").await?;
    browser.fill("#code", &own).await?;
    browser.follow("#appoint").await?;
    assert_eq!(browser.status().await?, 422, "nobody acts for themselves, or without end");
    browser.look("representatives-faulty", "representatives-title").await?;
    assert_eq!(browser.count("#error-summary a").await?, 2);
    browser.fill("#code", &code).await?;
    browser.set_day("#until", &day_in(30)?).await?;
    browser.follow("#appoint").await?;
    browser.look("representatives-named", "representatives-title").await?;
    assert_eq!(browser.count("#mine li").await?, 1);

    elsewhere.goto("/representatives").await?;
    elsewhere.look("representatives-others", "representatives-title").await?;
    elsewhere.follow("#others a").await?;
    elsewhere.look("granted", "granted-title").await?;
    let acting = elsewhere.path().await?;
    browser.follow("#mine form button").await?;
    browser.look("representatives-ended", "representatives-title").await?;
    assert!(browser.has("#done").await? && !browser.has("#mine form").await?);
    elsewhere.goto(&acting).await?;
    assert_eq!(elsewhere.status().await?, 403, "on the next request");
    Ok(())
}
