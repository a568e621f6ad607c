//! Support staff record a representative by the papers that they saw, and end it; the patient and the representative see it.

use super::others::day_in;
use crate::authenticator::Somebody;
use crate::browser::Browser;
use crate::texts::text;
use crate::{Done, Fault};

/// The papers of a brother or sister.
const PAPERS: [&str; 5] = ["own-id", "family-proof", "no-nearer-family", "patient-consent", "patient-id"];

/// Everybody: the clerk in this browser, the others one after another in a second one.
pub async fn record_and_end(browser: Browser) -> Done {
    let elsewhere = browser.another().await?;
    let walked = clerk_and_others(&browser, &elsewhere).await;
    elsewhere.close().await;
    walked
}

async fn clerk_and_others(clerk: &Browser, elsewhere: &Browser) -> Done {
    let (mut patient, mut agent) = (clerk.world.adult(), clerk.world.adult());
    let (institution, number) = super::granted::chart_of(clerk, &patient)?;
    elsewhere.sign_in(&mut patient).await?;
    elsewhere.sign_out().await?;
    let code = code_of(elsewhere, &mut agent).await?;
    let own_code = code_of(elsewhere, &mut clerk.world.stranger()).await?;

    let account = arrive(clerk, "한지우", "support").await?;
    clerk.follow("#go-representatives").await?;
    clerk.look("proofs", "proofs-title").await?;
    find(clerk, &institution, &number).await?;
    clerk.look("proofs-no-request", "proofs-title").await?;
    assert_eq!(clerk.text("#number-fault").await?, text(clerk.language(), "proofs-no-request"));
    clerk.follow("#ask").await?;
    request(clerk, elsewhere, &institution, &number).await?;

    clerk.goto("/staff/representatives").await?;
    find(clerk, &institution, &number).await?;
    assert!(clerk.text("#person").await?.contains(&patient.name));
    clerk.look("proofs-unknown", "proofs-title").await?;
    assert_eq!(clerk.text("#who").await?, text(clerk.language(), "proofs-who"));
    clerk.register(&account, &own_code).await?;
    clerk.follow("#another").await?;
    find(clerk, &institution, &number).await?;
    record(clerk, &code).await?;

    elsewhere.sign_in(&mut patient).await?;
    elsewhere.goto("/representatives").await?;
    elsewhere.look("representatives-recorded", "representatives-title").await?;
    let told = elsewhere.text("#mine li").await?;
    for word in ["proof-case-sibling", "proof-no-nearer-family"] {
        assert!(told.contains(&text(clerk.language(), word)), "{word}: {told}");
    }
    assert!(told.contains("한지우"), "{told}");
    elsewhere.follow("#notice-bar a").await?;
    elsewhere.look("notices-representative", "notices-title").await?;
    elsewhere.goto("/access").await?;
    elsewhere.look("access-with-proofs", "access-title").await?;
    elsewhere.sign_out().await?;

    elsewhere.sign_in(&mut agent).await?;
    elsewhere.goto("/representatives").await?;
    elsewhere.follow("#others a").await?;
    elsewhere.look("granted-by-proofs", "granted-title").await?;
    let acting = elsewhere.path().await?;
    clerk.click("#appointments summary").await?;
    clerk.look("proofs-end-sure", "proofs-title").await?;
    clerk.follow("#appointments form button").await?;
    clerk.look("proofs-ended", "proofs-title").await?;
    assert!(clerk.has("#done").await? && !clerk.has("#appointments form").await?);
    elsewhere.goto(&acting).await?;
    assert_eq!(elsewhere.status().await?, 403, "on the next request");
    Ok(())
}

/// The code that somebody is shown once they are signed in.
async fn code_of(elsewhere: &Browser, person: &mut Somebody) -> Result<String, Fault> {
    elsewhere.sign_in(person).await?;
    elsewhere.goto("/representatives").await?;
    let code = elsewhere.text("#own-code").await?;
    elsewhere.sign_out().await?;
    Ok(code)
}

/// A member of staff comes by an invitation. Gives their account.
async fn arrive(browser: &Browser, name: &str, role: &str) -> Result<String, Fault> {
    browser.authenticator(false).await?;
    let (account, link) = browser.employ(name, role).await?;
    browser.goto(&link).await?;
    browser.follow("#passkey").await?;
    browser.look(&format!("staff-{role}"), "staff-title").await?;
    Ok(account)
}

async fn find(clerk: &Browser, institution: &str, number: &str) -> Done {
    clerk.fill("#institution", institution).await?;
    clerk.fill("#number", number).await?;
    clerk.follow("#find").await
}

/// The clerk asks for a request, and a steward confirms it.
async fn request(clerk: &Browser, elsewhere: &Browser, institution: &str, number: &str) -> Done {
    let reason = format!("사본 발급 신청 {}", clerk.view);
    clerk.fill("#institution", institution).await?;
    clerk.fill("#number", number).await?;
    clerk.fill("#reason", &reason).await?;
    clerk.follow("#ask").await?;
    clerk.look("staff-access-asked", "staff-access-title").await?;
    arrive(elsewhere, "오하린", "steward").await?;
    elsewhere.follow("#go-grounds").await?;
    elsewhere.look("staff-grounds", "grounds-title").await?;
    let find = "return [...document.querySelectorAll('#grounds li')].find(li => li.innerText.includes(arguments[0]))\
                .querySelector(\"form[action$='confirm']\").getAttribute('id')";
    let form = elsewhere.run(find, vec![reason.into()]).await?;
    let form = form.as_str().ok_or("the request is not listed")?.to_owned();
    elsewhere.follow(&format!("[id='{form}'] button")).await?;
    elsewhere.sign_out().await
}

/// From the patient's page to the recorded representative.
async fn record(clerk: &Browser, code: &str) -> Done {
    clerk.look("proofs-found", "proofs-title").await?;
    clerk.follow("#choose").await?;
    assert_eq!(clerk.status().await?, 422);
    clerk.look("proofs-case-fault", "proofs-title").await?;
    clerk.click("#case-legal-representative-of-child").await?;
    clerk.follow("#choose").await?;
    clerk.look("proofs-too-old", "proofs-title").await?;
    clerk.click("#case-sibling").await?;
    clerk.follow("#choose").await?;
    clerk.look("proofs-form", "proofs-title").await?;
    clerk.click("#own-id").await?;
    clerk.fill("#code", code).await?;
    clerk.follow("#record").await?;
    assert_eq!(clerk.status().await?, 422);
    clerk.look("proofs-lacking", "proofs-title").await?;
    assert_eq!(clerk.count("#error-summary a").await?, PAPERS.len(), "four papers and the day");
    assert!(clerk.has("#own-id:checked").await?, "what was filled in stays");
    for paper in &PAPERS[1..] {
        clerk.click(&format!("#{paper}")).await?;
    }
    clerk.set_day("#until", &day_in(30)?).await?;
    clerk.follow("#record").await?;
    clerk.look("proofs-recorded", "proofs-title").await?;
    assert_eq!(clerk.count("#appointments li").await?, 1);
    Ok(())
}
