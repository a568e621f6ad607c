//! Finding an institution in every way a person may remember it, and the page of each state its records can be in.

use crate::browser::Browser;
use crate::processes::HALFWAY;
use crate::texts::text;
use crate::world::Language;
use crate::{Done, Fault};
use serde_json::Value;

/// The first hospital of every demonstration, which is in custody: 강원특별자치도 원주시, kind 21, closed on 2026-03-31.
const HOSPITAL: &str = "새온병원 (합성)";
/// The seed of a demonstration's directory.
const SEED: u64 = 42;
/// The states of the directory's institutions, and of the deposited ones.
const STATES: [&str; 7] =
    ["deposited", "migrating", "kept-by-owner", "paper-at-health-centre", "not-deposited", "expired", "suspended"];
/// Initial consonants in the order of Unicode's syllables (The Unicode Standard section 3.12).
const INITIALS: [char; 19] =
    ['ㄱ', 'ㄲ', 'ㄴ', 'ㄷ', 'ㄸ', 'ㄹ', 'ㅁ', 'ㅂ', 'ㅃ', 'ㅅ', 'ㅆ', 'ㅇ', 'ㅈ', 'ㅉ', 'ㅊ', 'ㅋ', 'ㅌ', 'ㅍ', 'ㅎ'];

/// By name, initial consonants, romanised name, region and kind, and closure dates; then each state.
pub async fn find(browser: Browser) -> Done {
    browser.goto("/").await?;
    browser.follow("#go-institutions").await?;
    browser.look("institutions", "institutions-title").await?;
    by_name(&browser).await?;
    by_conditions(&browser).await?;
    nothing_and_faults(&browser).await?;
    for state in STATES {
        state_page(&browser, state).await?;
    }
    browser.goto("/institutions/99999999").await?;
    browser.look("institution-unknown", "institution-unknown-title").await?;
    assert_eq!(browser.status().await?, 404);
    Ok(())
}

async fn by_name(browser: &Browser) -> Done {
    let found = search(browser, "새온병원").await?;
    assert_eq!(found.first().map(String::as_str), Some(HOSPITAL));
    browser.look("institutions-found", "institutions-title").await?;
    assert_eq!(search(browser, "온병").await?, [HOSPITAL], "a part of the name is enough");

    let found = search(browser, "ㅅㅇㅂㅇ").await?;
    assert!(found.iter().any(|name| name == HOSPITAL), "{found:?}");
    assert!(found.iter().all(|name| initials(name).contains("ㅅㅇㅂㅇ")), "{found:?}");
    browser.look("institutions-initials", "institutions-title").await?;

    for romanised in ["Saeon Hospital", "saeon", "SAEONBYEONGWON"] {
        let found = search(browser, romanised).await?;
        assert!(found.iter().any(|name| name == HOSPITAL), "{romanised}: {found:?}");
    }
    Ok(())
}

async fn by_conditions(browser: &Browser) -> Done {
    browser.goto("/institutions").await?;
    open_conditions(browser).await?;
    let region = "강원특별자치도";
    browser.choose("#region", region).await?;
    browser.choose("#kind", "21").await?;
    let found = results(browser).await?;
    assert!(found.iter().any(|name| name == HOSPITAL), "{found:?}");
    let lines = browser.texts("#institution-list li > p:last-child").await?;
    let shown = match browser.language() {
        Language::Korean => region,
        Language::English => "Gangwon State",
    };
    assert!(lines.iter().all(|line| line.contains(shown)), "{lines:?}");
    browser.look("institutions-region", "institutions-title").await?;
    for typed in ["원주 새온", "Saeon Gangwon", "saeon wonju-si"] {
        assert_eq!(search(browser, typed).await?.first().map(String::as_str), Some(HOSPITAL), "{typed}");
    }

    browser.goto("/institutions").await?;
    open_conditions(browser).await?;
    browser.set_day("#from", "2026-03-31").await?;
    browser.set_day("#to", "2026-03-31").await?;
    let found = results(browser).await?;
    assert!(found.iter().any(|name| name == HOSPITAL), "both days count: {found:?}");
    browser.set_day("#from", "2026-04-01").await?;
    browser.set_day("#to", "2026-05-31").await?;
    let found = results(browser).await?;
    assert!(!found.iter().any(|name| name == HOSPITAL), "{found:?}");
    browser.look("institutions-dates", "institutions-title").await
}

async fn nothing_and_faults(browser: &Browser) -> Done {
    assert!(search(browser, "없는이름병원").await?.is_empty());
    browser.look("institutions-none", "institutions-title").await?;
    let none = text(browser.language(), "institutions-none-text");
    assert!(browser.texts("main p").await?.contains(&none));

    browser.goto("/institutions?name=&from=2024.3.31").await?;
    browser.look("institutions-fault", "institutions-title").await?;
    let fault = text(browser.language(), "institutions-faulty-date");
    assert_eq!(browser.text("#from-fault").await?, fault);
    assert_eq!(browser.texts("#error-summary a").await?, [fault]);
    Ok(())
}

/// The page of an institution whose records are in a state, found by its name.
async fn state_page(browser: &Browser, state: &str) -> Done {
    let (name, code) = institution_in(state)?;
    search(browser, &name).await?;
    let link = format!("#institution-list a[href='/institutions/{code}']");
    assert_eq!(browser.text(&link).await?, name);
    let label = text(browser.language(), &format!("status-{state}"));
    assert_eq!(browser.text(&format!("li:has(a[href='/institutions/{code}']) .tag")).await?, label);
    browser.follow(&link).await?;
    browser.look_at(&format!("institution-{state}"), &name).await?;
    let said = browser.text("section.say").await?;
    for part in ["", "-text", "-next"] {
        let words = text(browser.language(), &format!("status-{state}{part}"));
        assert!(said.contains(&words), "{state}{part}: {said}");
    }
    let gets = browser.has("#get-records").await?;
    assert_eq!(gets, state == "deposited", "{state}");
    assert_eq!(browser.has("#see-early").await?, state == "migrating", "{state}");
    assert_eq!(browser.attribute("h1", "lang").await?.as_deref(), Some("ko"), "the name is Korean on every page");
    Ok(())
}

/// Name and code of an institution whose records are in a state: a hospital's of this run, or one of the directory's.
fn institution_in(state: &str) -> Result<(String, String), Fault> {
    match state {
        "deposited" => return Ok((HOSPITAL.to_owned(), "99210001".to_owned())),
        "migrating" => return Ok(("하늘빛치과의원 (합성)".to_owned(), HALFWAY.to_owned())),
        _ => {}
    }
    for line in synth::directory(SEED).lines() {
        let one: Value = serde_json::from_str(line)?;
        if one["holding"] == state {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            return Ok((text("name"), text("code")));
        }
    }
    Err(format!("the directory has nothing in the state {state}").into())
}

/// Searches by name from wherever the browser is, and gives the names found.
async fn search(browser: &Browser, name: &str) -> Result<Vec<String>, Fault> {
    browser.goto("/institutions").await?;
    browser.fill("#name", name).await?;
    results(browser).await
}

async fn results(browser: &Browser) -> Result<Vec<String>, Fault> {
    browser.follow("#search").await?;
    browser.texts("#institution-list h3").await
}

async fn open_conditions(browser: &Browser) -> Done {
    if browser.attribute("details", "open").await?.is_none() {
        browser.click("#more").await?;
    }
    Ok(())
}

fn initials(name: &str) -> String {
    let initial = |letter: char| match u32::from(letter) {
        code @ 0xAC00..=0xD7A3 => INITIALS[((code - 0xAC00) / 588) as usize],
        _ => letter,
    };
    name.chars().map(initial).collect()
}
