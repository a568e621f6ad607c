//! Checking a document: the file as it was issued, the file with one byte changed, other files, and numbers.

use crate::browser::Browser;
use crate::processes::is_installed;
use crate::texts::text;
use crate::{Done, Fault};
use serde_json::json;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Checks a good document, and then that no changed one passes. Gives the document's number.
pub async fn good_and_bad(browser: &Browser, pdf: &[u8]) -> Result<String, Fault> {
    browser.goto("/verify").await?;
    browser.look("verify", "verify-title").await?;
    let number = good(browser, pdf).await?;
    browser.look("verify-good", "verify-title").await?;
    proofs(browser, pdf, &number).await?;

    let mut changed = pdf.to_vec();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    upload(browser, &changed).await?;
    bad(browser).await?;
    browser.look("verify-bad", "verify-title").await?;

    upload(browser, b"%PDF-1.7\nnothing of ours\n%%EOF\n").await?;
    bad(browser).await?;
    browser.look("verify-other", "verify-title").await?;

    browser.goto("/verify").await?;
    browser.follow("#check").await?;
    browser.look("verify-no-file", "verify-title").await?;
    assert_eq!(browser.text("#file-fault").await?, text(browser.language(), "verify-no-file"));
    Ok(number)
}

/// Checks a document that must be good. Gives its number.
pub async fn good(browser: &Browser, pdf: &[u8]) -> Result<String, Fault> {
    upload(browser, pdf).await?;
    let heading = browser.text("#result-heading").await?;
    assert_eq!(heading, text(browser.language(), "verify-good"), "{}", browser.text("#result").await?);
    assert!(!browser.has("#result.bad").await?);
    browser.text("dl.facts dd").await
}

/// The proof file and the sheet that a good document gives, and both handed in again.
async fn proofs(browser: &Browser, pdf: &[u8], number: &str) -> Done {
    let short = browser.attribute("#proof-form input[name=proof]", "value").await?.ok_or("no proof is offered")?;
    browser.click("#proof-file").await?;
    let (name, file) = browser.download().await?;
    assert_eq!(name, format!("{number}.tlog-proof.txt"));
    browser.follow("#proof-sheet").await?;
    browser.look("proof-sheet", "proof-title").await?;
    assert_eq!(browser.text("#sheet-number").await?, number);
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await?;
    browser.picture("proof-sheet-printed").await?;
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "" })).await?;

    browser.goto("/verify").await?;
    browser.click("#by-proof").await?;
    browser.fill("#proof", &short).await?;
    browser.follow("#check").await?;
    browser.look("verify-proof", "verify-title").await?;
    assert_eq!(browser.text("#result-heading").await?, text(browser.language(), "verify-proof-good"));
    assert_eq!(browser.text("dl.facts dd").await?, number);

    browser.goto("/verify").await?;
    browser.name_file("#file", &write(browser, pdf)?).await?;
    browser.click("#by-proof").await?;
    browser.fill("#proof", &String::from_utf8(file)?).await?;
    browser.follow("#check").await?;
    browser.look("verify-with-proof", "verify-title").await?;
    assert_eq!(browser.text("#result-heading").await?, text(browser.language(), "verify-good"));
    assert!(browser.text("#beside").await?.contains(&text(browser.language(), "verify-beside-same")));

    browser.goto("/verify").await?;
    browser.click("#by-proof").await?;
    browser.fill("#proof", &short.replacen("HMP1:", "HMP1:0", 1)).await?;
    browser.follow("#check").await?;
    browser.look("verify-proof-bad", "verify-title").await?;
    assert!(browser.has("#result.bad").await?, "a changed proof passes");
    Ok(())
}

/// The page of a number: one that was given out, one that was not, and none.
pub async fn by_number(browser: &Browser, number: &str) -> Done {
    browser.goto(&format!("/verify/{number}")).await?;
    browser.look("verify-number", "verify-title").await?;
    assert_eq!(browser.status().await?, 200);
    assert!(browser.text("#number-heading").await?.contains(number));
    assert!(browser.has("#number.care").await?, "a number alone proves nothing about a file");

    let last = number.chars().last().ok_or("a number has letters")?;
    let other = format!("{}{}", &number[..number.len() - 1], if last == '2' { '3' } else { '2' });
    for unknown in [other.as_str(), "not-a-number"] {
        browser.goto(&format!("/verify/{unknown}")).await?;
        browser.look("verify-number-unknown", "verify-title").await?;
        assert_eq!(browser.status().await?, 404);
        assert_eq!(browser.text("#number-heading").await?, text(browser.language(), "verify-number-unknown"));
    }
    Ok(())
}

/// The text of a PDF as another program reads it; `None` where that program is not installed.
pub fn words_of(browser: &Browser, pdf: &[u8]) -> Result<Option<String>, Fault> {
    if !is_installed("pdftotext") {
        println!("SKIPPED: the words of issued documents: pdftotext missing; cargo xtask test installs it");
        return Ok(None);
    }
    let path = write(browser, pdf)?;
    let read = Command::new("pdftotext").arg(&path).arg("-").output()?;
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    Ok(Some(String::from_utf8(read.stdout)?))
}

/// Keeps a picture of a PDF's first page under `name`, where there is a program that draws it.
pub fn picture_of(browser: &Browser, pdf: &[u8], name: &str) -> Done {
    if !is_installed("pdftoppm") {
        println!("SKIPPED: pictures of issued documents: pdftoppm missing; cargo xtask test installs it");
        return Ok(());
    }
    let picture = browser.world.pictures().join(format!("{}-{name}", browser.view));
    let flags = ["-png", "-singlefile", "-r", "80", "-l", "1"];
    let drawn = Command::new("pdftoppm").args(flags).arg(write(browser, pdf)?).arg(picture).output()?;
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    Ok(())
}

async fn upload(browser: &Browser, bytes: &[u8]) -> Done {
    let path = write(browser, bytes)?;
    browser.goto("/verify").await?;
    browser.name_file("#file", &path).await?;
    browser.follow("#check").await
}

async fn bad(browser: &Browser) -> Done {
    assert!(browser.has("#result.bad").await?, "a changed file passes");
    assert_eq!(browser.text("#result-heading").await?, text(browser.language(), "verify-bad"));
    Ok(())
}

fn write(browser: &Browser, bytes: &[u8]) -> Result<std::path::PathBuf, Fault> {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let path = browser.world.scratch(&format!("document-{}.pdf", FILES.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&path, bytes)?;
    Ok(path)
}
