//! Another's records on a ground: somebody acts for a person who named them, and a support centre handles a person's request. Both
//! open a visit and get a PDF that verifies, and the person sees it.

use super::{records, verify};
use crate::authenticator::Somebody;
use crate::browser::Browser;
use crate::texts::text;
use crate::{Done, Fault};
use base::{Clock, SystemClock};

/// Days for which somebody is named.
const DAYS: i64 = 30;

/// A person names somebody, who opens a visit, gets it and everything that is shown, and can do nothing once that was ended.
pub async fn act_for(browser: Browser) -> Done {
    let elsewhere = browser.another().await?;
    let walked = person_and_agent(&browser, &elsewhere).await;
    elsewhere.close().await;
    walked
}

async fn person_and_agent(browser: &Browser, agent: &Browser) -> Done {
    let (mut person, mut named) = (browser.world.adult(), browser.world.stranger());
    agent.sign_in(&mut named).await?;
    agent.goto("/representatives").await?;
    let code = agent.text("#own-code").await?;
    browser.sign_in(&mut person).await?;
    browser.goto("/representatives").await?;
    browser.fill("#code", &code).await?;
    browser.set_day("#until", &day_from_now()?).await?;
    browser.follow("#appoint").await?;
    browser.look("representative-named", "representatives-title").await?;

    agent.goto("/representatives").await?;
    agent.follow("#others a").await?;
    agent.look("granted", "granted-title").await?;
    assert!(agent.has("#part").await?, "it is not said that it is a part");
    let list = agent.path().await?;
    open_and_get(agent, &list, "granted", &[&person.name, &named.name]).await?;

    browser.goto("/access").await?;
    browser.look("access-of-representative", "access-title").await?;
    let told = browser.texts("#accesses .sitting").await?;
    let issued = text(browser.language(), "action-issue");
    assert!(told.iter().any(|entry| entry.contains(&issued) && entry.contains(&named.name)), "{told:?}");
    browser.goto("/representatives").await?;
    browser.follow("#mine form button").await?;
    assert!(browser.has("#done").await?);
    agent.goto(&list).await?;
    agent.look("granted-ended", "error-denied-title").await?;
    assert_eq!(agent.status().await?, 403);
    Ok(())
}

/// A support centre asks for a person's records at their request, another confirms it, and the records go out as a PDF.
pub async fn handle_request(browser: Browser) -> Done {
    let elsewhere = browser.another().await?;
    let walked = clerk_and_steward(&browser, &elsewhere).await;
    elsewhere.close().await;
    walked
}

async fn clerk_and_steward(browser: &Browser, steward: &Browser) -> Done {
    let person = browser.world.anybody();
    let name = format!("최서아 {}", browser.view);
    for (member, name, role) in [(browser, name.as_str(), "support"), (steward, "정하윤", "steward")] {
        let link = member.invite(name, role).await?;
        member.authenticator(false).await?;
        member.goto(&link).await?;
        member.follow("#passkey").await?;
    }
    let (institution, number) = chart_of(browser, &person)?;
    browser.goto("/staff/access").await?;
    browser.choose("#role", "support").await?;
    browser.fill("#institution", &institution).await?;
    browser.fill("#number", &number).await?;
    browser.fill("#reason", "창구에서 진료기록 사본을 신청함").await?;
    browser.follow("#ask").await?;
    browser.look("request-asked", "staff-access-title").await?;

    steward.goto("/staff/grounds").await?;
    let find = "return [...document.querySelectorAll('#grounds li')].find(li => li.innerText.includes(arguments[0]))\
                .querySelector(\"form[action$='confirm']\").getAttribute('id')";
    let form = steward.run(find, vec![name.as_str().into()]).await?;
    let form = form.as_str().ok_or("the request is not listed")?.to_owned();
    steward.follow(&format!("[id='{form}'] button")).await?;

    browser.goto("/staff/access").await?;
    browser.follow("#grounds a.button").await?;
    browser.look("request", "granted-title").await?;
    let list = browser.path().await?;
    open_and_get(browser, &list, "request", &[&person.name, &name]).await
}

/// Opens the first visit of a list, gets it, asks for nothing, and gets everything: each PDF verifies, and names whom it should.
async fn open_and_get(browser: &Browser, list: &str, name: &str, names: &[&str]) -> Done {
    browser.follow("li.visit .open a").await?;
    let heading = browser.text("h1").await?;
    browser.look_at(&format!("{name}-visit"), &heading).await?;
    let one = records::get(browser, "#get-visit").await?;
    verify::good(browser, &one).await?;
    browser.goto(list).await?;
    browser.follow("#get-chosen").await?;
    browser.look(&format!("{name}-nothing-chosen"), "granted-title").await?;
    assert_eq!(browser.texts("#error-summary a").await?, [text(browser.language(), "records-nothing-chosen")]);
    let all = records::get(browser, "#get-all").await?;
    verify::picture_of(browser, &all, &format!("{name}-pdf"))?;
    if let Some(said) = verify::words_of(browser, &all)? {
        for name in names {
            assert!(said.contains(name), "the document does not name {name}");
        }
    }
    verify::good(browser, &all).await.map(drop)
}

fn day_from_now() -> Result<String, Fault> {
    let now_s = SystemClock::new().now().as_second();
    let later = base::Timestamp::from_second(now_s + DAYS * 86_400)?.to_string();
    Ok(later.split('T').next().unwrap_or_default().to_owned())
}

/// A hospital of which somebody is a patient, and their number there, as its bag has them.
pub(super) fn chart_of(browser: &Browser, person: &Somebody) -> Result<(String, String), Fault> {
    for hospital in 1..=3 {
        let bag = browser.world.scratch(&format!("data/bags/hospital-{hospital:02}"));
        let patients = std::fs::read_to_string(bag.join("data/fhir/Patient.ndjson"))?;
        let Some(line) = patients.lines().find(|line| line.contains(&person.number)) else { continue };
        let patient: serde_json::Value = serde_json::from_str(line)?;
        let info = std::fs::read_to_string(bag.join("bag-info.txt"))?;
        let code = info.lines().find_map(|line| line.strip_prefix("Institution-Code: "));
        let number = patient["id"].as_str().ok_or("a patient has an id")?;
        return Ok((code.ok_or("a bag names its hospital")?.to_owned(), number.to_owned()));
    }
    Err(format!("no hospital knows {}", person.name).into())
}
