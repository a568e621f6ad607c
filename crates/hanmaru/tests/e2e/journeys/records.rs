//! The main journey: sign in, see the timeline, get records as a PDF in every way, and check the PDF.

use super::verify;
use crate::authenticator::Somebody;
use crate::browser::Browser;
use crate::texts::{text, text_with};
use crate::world::Language;
use crate::{Done, Fault};

/// Most pages from the first look at the portal's door to the PDF.
const PAGE_LOADS: usize = 6;

/// The whole of it.
pub async fn get_them(browser: Browser) -> Done {
    let mut person = browser.world.somebody();
    let whole = first_visit(&browser, &mut person).await?;
    let number = verify::good_and_bad(&browser, &whole).await?;
    verify::by_number(&browser, &number).await?;
    one_visit(&browser).await?;
    chosen(&browser).await?;
    period(&browser).await?;
    in_english(&browser).await?;
    who_looked(&browser).await?;
    leave(&browser).await
}

/// The same with a browser that runs no scripts.
pub async fn without_scripts(browser: Browser) -> Done {
    browser.goto("data:text/html,<title>off</title><script>document.title='on'</script>").await?;
    assert_eq!(browser.run("return document.title", vec![]).await?, "off", "this browser runs scripts");
    let mut person = browser.world.anybody();
    let whole = first_visit(&browser, &mut person).await?;
    verify::good_and_bad(&browser, &whole).await?;
    chosen(&browser).await?;
    who_looked(&browser).await?;
    leave(&browser).await
}

/// From the door to the PDF of everything, each page looked at and counted.
async fn first_visit(browser: &Browser, person: &mut Somebody) -> Result<Vec<u8>, Fault> {
    let mut loads = 0;
    browser.goto("/").await?;
    for press in ["#go-records", "#start"] {
        browser.follow(press).await?;
        loads += 1;
    }
    browser.prove_at_agency(person, true).await?;
    loads += 2;
    browser.second_step(person, true).await?;
    loads += 1;
    assert_eq!(browser.path().await?, "/records");
    browser.look("records", "records-title").await?;
    let greeting = text_with(browser.language(), "records-for", &[("name", &person.name)]);
    assert!(browser.text("p.lead").await?.starts_with(&greeting));
    assert!(browser.has("li.visit").await?, "no visits are shown");

    let pdf = get(browser, "#get-all").await?;
    loads += 1;
    assert!(loads <= PAGE_LOADS, "{loads} page loads");
    if let Some(said) = verify::words_of(browser, &pdf)? {
        assert!(said.contains(&person.name), "the document does not name its person");
    }
    Ok(pdf)
}

async fn one_visit(browser: &Browser) -> Done {
    browser.goto("/records").await?;
    browser.follow("li.visit .open a").await?;
    let heading = browser.text("h1").await?;
    browser.look_at("visit", &heading).await?;
    let (date, _) = heading.rsplit_once(' ').ok_or("a visit is headed by its day and its kind")?;
    let lead = browser.text("p.lead").await?;
    let institution = lead.split(" (").next().unwrap_or_default();
    let title = browser.run("return document.title", vec![]).await?.to_string();
    assert!(title.contains(date) && !title.contains(institution), "{title}");
    let here = browser.path().await?;
    browser.follow("nav a[hreflang]").await?;
    assert_eq!(browser.path().await?, here, "the switch of language keeps the visit");
    browser.follow("nav a[hreflang]").await?;
    verify::good(browser, &get(browser, "#get-visit").await?).await.map(drop)
}

async fn chosen(browser: &Browser) -> Done {
    browser.goto("/records").await?;
    browser.follow("#get-chosen").await?;
    browser.look("records-nothing-chosen", "records-title").await?;
    assert_eq!(browser.texts("#error-summary a").await?, [text(browser.language(), "records-nothing-chosen")]);

    browser.goto("/records").await?;
    let visits: Vec<String> = browser.ids("li.visit input").await?;
    for id in visits.iter().step_by(2) {
        browser.click(&format!("#{id}")).await?;
    }
    assert_eq!(browser.count("li.visit input:checked").await?, visits.len().div_ceil(2));
    verify::good(browser, &get(browser, "#get-chosen").await?).await.map(drop)
}

async fn period(browser: &Browser) -> Done {
    browser.goto("/records").await?;
    let all = browser.count("li.visit").await?;
    let year = browser.text(".year").await?.chars().filter(char::is_ascii_digit).collect::<String>();
    browser.click("#filter").await?;
    browser.set_day("#from", &format!("{year}-01-01")).await?;
    browser.set_day("#to", &format!("{year}-12-31")).await?;
    browser.follow("#show").await?;
    browser.look("records-period", "records-title").await?;
    let years = browser.texts(".year").await?;
    assert!(!years.is_empty() && years.iter().all(|shown| shown.contains(&year)), "{year}: {years:?}");
    verify::good(browser, &get(browser, "#get-period").await?).await?;

    browser.goto("/records").await?;
    assert_eq!(browser.texts(".year").await?, years, "the filter holds until it is cleared");
    browser.set_day("#from", "1990-01-01").await?;
    browser.set_day("#to", "1990-12-31").await?;
    browser.follow("#show").await?;
    browser.look("records-none-here", "records-title").await?;
    assert_eq!(browser.text("#none-here").await?, text(browser.language(), "records-none-here"));
    browser.follow("#clear").await?;
    assert_eq!(browser.count("li.visit").await?, all);
    Ok(())
}

async fn in_english(browser: &Browser) -> Done {
    browser.goto("/records").await?;
    let mut said = Vec::new();
    for language in [Language::Korean, Language::English] {
        browser.choose("#all-language", language.tag()).await?;
        let pdf = get(browser, "#get-all").await?;
        said.push(verify::words_of(browser, &pdf)?);
    }
    if let [Some(korean), Some(english)] = &said[..] {
        let letters = |text: &str| text.chars().filter(char::is_ascii_alphabetic).count();
        assert!(letters(english) > letters(korean) + 100, "the English document is not in English");
    }
    Ok(())
}

/// What this person did stands there, and nothing else: nobody else came.
async fn who_looked(browser: &Browser) -> Done {
    browser.follow("nav a[href='/access']").await?;
    browser.look("access", "access-title").await?;
    let language = browser.language();
    let entries = browser.texts("#accesses .sitting").await?;
    for action in ["action-issue", "action-read-timeline"] {
        let action = text(language, action);
        assert!(entries.iter().any(|entry| entry.contains(&action)), "{action} is not among {entries:?}");
    }
    let own = text(language, "access-own");
    let issued = text(language, "action-issue");
    assert!(entries.iter().filter(|entry| entry.contains(&issued)).all(|entry| entry.contains(&own)));
    assert_eq!(browser.count("#accesses .tag.no").await?, 0, "something was refused: {entries:?}");
    // What was done several times is told once, and each time on demand.
    let listed = entries.iter().filter(|entry| entry.contains(&text(language, "action-read-timeline"))).count();
    assert_eq!(listed, 1, "{entries:?}");
    browser.click("#accesses details summary").await?;
    assert!(browser.count("#accesses details[open] li").await? > 1);
    browser.look("access-each", "access-title").await
}

async fn leave(browser: &Browser) -> Done {
    browser.sign_out().await?;
    assert!(browser.cookie(identity::SESSION_COOKIE).await?.is_none(), "the session's cookie is still there");
    browser.goto("/records").await?;
    browser.look("sign-in-for-records", "sign-in-title").await
}

/// Presses a button that saves a file, and gives the file.
pub async fn get(browser: &Browser, css: &str) -> Result<Vec<u8>, Fault> {
    browser.click(css).await?;
    let (name, bytes) = browser.download().await?;
    assert!(name.ends_with(".pdf"), "the file is called {name}");
    assert!(bytes.starts_with(b"%PDF-"), "{name} is no PDF");
    Ok(bytes)
}
