//! What is not one's own: another's record stays shut and the other sees the attempt; without records the page says what to do.

use crate::Done;
use crate::browser::Browser;
use crate::texts::text;

/// Somebody opens the address of another's visit.
pub async fn look_at_anothers(browser: Browser) -> Done {
    let (mut owner, mut other) = (browser.world.anybody(), browser.world.anybody());
    browser.sign_in(&mut owner).await?;
    let visit = browser.attribute("li.visit .open a", "href").await?.ok_or("a visit has an address")?;

    let elsewhere = browser.another().await?;
    let tried = try_to_see(&elsewhere, &mut other, &visit).await;
    elsewhere.close().await;
    tried?;

    browser.follow("nav a[href='/access']").await?;
    browser.look("access-denied", "access-title").await?;
    let language = browser.language();
    let refused = browser.texts("#accesses .sitting:has(.tag.no)").await?;
    assert_eq!(refused.len(), 1, "both attempts of one day are told together: {refused:?}");
    let twice = if language.tag() == "ko" { "2번" } else { "twice" };
    assert!(refused[0].contains(twice), "{refused:?}");
    for word in ["denial-not-yours", "action-read-record"] {
        assert!(refused[0].contains(&text(language, word)), "{word}: {refused:?}");
    }
    assert!(!refused[0].contains(&owner.name), "it was not the owner: {refused:?}");
    Ok(())
}

async fn try_to_see(browser: &Browser, other: &mut crate::authenticator::Somebody, visit: &str) -> Done {
    browser.sign_in(other).await?;
    browser.goto(visit).await?;
    browser.look("denied", "error-denied-title").await?;
    assert_eq!(browser.status().await?, 403);
    let (_, record) = visit.rsplit_once('-').ok_or("an address names a patient and a record")?;
    browser.goto(&format!("/records/visit/{}-{record}", "7".repeat(32))).await?;
    assert_eq!(browser.status().await?, 403, "an invented patient opens nothing");
    let nobodys = format!("/records/visit/{0}-{0}", "0".repeat(32));
    browser.goto(&nobodys).await?;
    assert_eq!(browser.status().await?, 403, "whether a record is there is nobody else's business");
    Ok(())
}

/// Somebody whom no hospital knows.
pub async fn without_records(browser: Browser) -> Done {
    let mut stranger = browser.world.stranger();
    browser.sign_in(&mut stranger).await?;
    browser.look("records-none", "records-title").await?;
    assert!(!browser.has("#get-all").await? && !browser.has("li.visit").await?);
    assert!(browser.texts("main p").await?.contains(&text(browser.language(), "records-none-next")));
    browser.follow("nav a[href='/access']").await?;
    browser.look("access-none", "access-title").await?;
    browser.follow("nav a[href='/records']").await?;
    browser.follow("#go-institutions").await?;
    browser.look("institutions-signed-in", "institutions-title").await
}
