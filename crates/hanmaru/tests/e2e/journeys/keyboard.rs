//! The main journey with nothing but a keyboard: every control is reached by the tabulator, in order, and is seen to have the
//! focus.

use crate::browser::Browser;
use crate::{Done, Fault};
use fantoccini::key::Key;
use serde_json::json;

/// Most presses of the tabulator to any control.
const STOPS_MAX: usize = 60;

/// Whether the element with the focus shows it, and is not hidden under something else.
const FOCUS: &str = "
    const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
    const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    const uncovered = top !== null && (top === e || e.contains(top) || top.contains(e)
        || (e.labels && [...e.labels].some(l => l.contains(top))));
    return {
        fits: e.matches(arguments[0]), outlined, uncovered,
        what: e.tagName.toLowerCase() + (e.id && '#' + e.id) + ' ' + (e.innerText || e.value || '').slice(0, 30),
    }";

/// From the door to the PDF, then a visit chosen by the space bar, then out.
pub async fn get_records(browser: Browser) -> Done {
    let mut person = browser.world.anybody();
    browser.goto("/").await?;
    browser.press(Key::Tab).await?;
    assert!(browser.has(".skip:focus").await?, "the first stop is the way past the menu");
    browser.picture("keyboard-skip").await?;
    browser.press(Key::Enter).await?;
    tab_to(&browser, "#go-records").await?;
    enter(&browser, "#go-records").await?;
    tab_to(&browser, "#start").await?;
    enter(&browser, "#start").await?;

    tab_to(&browser, "#name").await?;
    browser.type_text(&person.name).await?;
    tab_to(&browser, "#rrn-front").await?;
    browser.type_text(&person.number[..6]).await?;
    tab_to(&browser, "#rrn-back").await?;
    browser.type_text(&person.number[6..]).await?;
    tab_to(&browser, "#send").await?;
    enter(&browser, "#send").await?;
    let code = browser.text("#sms-code").await?;
    tab_to(&browser, "#code").await?;
    browser.type_text(&code).await?;
    enter(&browser, "#code").await?;

    person.enrol(&browser.text("#secret").await?)?;
    let code = person.code().await?;
    tab_to(&browser, "#code").await?;
    browser.type_text(&code).await?;
    tab_to(&browser, "#send").await?;
    enter(&browser, "#send").await?;

    tab_to(&browser, "#get-all").await?;
    browser.press(Key::Enter).await?;
    pdf(&browser).await?;
    tab_to(&browser, "#filter").await?;
    tab_to(&browser, "li.visit input").await?;
    browser.type_text(" ").await?;
    assert!(browser.has("li.visit input:checked").await?, "the space bar chooses");
    browser.picture("keyboard-chosen").await?;
    tab_to(&browser, "#get-chosen").await?;
    browser.press(Key::Enter).await?;
    pdf(&browser).await?;

    browser.goto("/account").await?;
    tab_to(&browser, "#leave").await?;
    enter(&browser, "#leave").await?;
    assert_eq!(browser.path().await?, "/");
    Ok(())
}

/// Presses the tabulator until an element that fits has the focus. Stops on the way must show their focus as well.
async fn tab_to(browser: &Browser, css: &str) -> Done {
    for _ in 0..STOPS_MAX {
        let focus = browser.run(FOCUS, vec![json!(css)]).await?;
        let what = focus["what"].as_str().unwrap_or_default();
        // The page itself has the focus when it is new, and its main part after the way past the menu: neither is a stop.
        if !what.starts_with("body") && !what.starts_with("main") {
            for (quality, fault) in
                [("outlined", "does not show its focus"), ("uncovered", "has the focus under something")]
            {
                if focus[quality] != json!(true) {
                    browser.world.note(&format!("keyboard ({}): {what} {fault}", browser.view));
                }
            }
        }
        if focus["fits"] == json!(true) {
            return Ok(());
        }
        browser.press(Key::Tab).await?;
    }
    Err(format!("the tabulator does not lead to {css}").into())
}

/// Presses the enter key on what has the focus, which leads to another page.
async fn enter(browser: &Browser, after: &str) -> Done {
    browser.mark().await?;
    browser.press(Key::Enter).await?;
    browser.arrived(after).await
}

async fn pdf(browser: &Browser) -> Result<(), Fault> {
    let (name, bytes) = browser.download().await?;
    assert!(bytes.starts_with(b"%PDF-"), "{name} is no PDF");
    Ok(())
}
