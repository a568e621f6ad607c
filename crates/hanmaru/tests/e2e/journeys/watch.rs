//! Watchfulness: a security officer marks records, sees live how a doctor asks for a decoy, asks why, and closes the case; then the
//! month is signed.

use crate::browser::Browser;
use crate::texts::{text, text_with};
use crate::world::Language;
use crate::{Done, Fault};

/// The whole of it, in two browsers.
pub async fn from_mark_to_review(browser: Browser) -> Done {
    let elsewhere = browser.another().await?;
    let walked = officer_and_doctor(&browser, &elsewhere).await;
    elsewhere.close().await;
    walked
}

async fn officer_and_doctor(officer: &Browser, doctor: &Browser) -> Done {
    let name = format!("이서준 {}", officer.view);
    officer.authenticator(false).await?;
    officer.goto(&officer.invite(&format!("한지우 {}", officer.view), "security-officer").await?).await?;
    officer.follow("#passkey").await?;
    officer.look("staff-officer", "staff-title").await?;
    doctor.authenticator(false).await?;
    doctor.goto(&doctor.invite_at(&name, "clinician", &doctor.world.hospital).await?).await?;
    doctor.follow("#passkey").await?;
    doctor.look("staff-doctor", "staff-title").await?;

    let decoy = marks(officer).await?;
    let case = seen_live(officer, doctor, &name, &decoy).await?;
    asked_and_answered(officer, doctor, &case).await?;
    closed(officer, &case).await?;
    review(officer).await
}

/// Marks a record of somebody in the public eye and a decoy, and takes the first mark away again. Gives the decoy's number.
async fn marks(officer: &Browser) -> Result<String, Fault> {
    let (known, decoy) = (officer.world.number(), officer.world.number());
    officer.goto("/staff/watch/marks").await?;
    officer.look("watch-marks", "marks-title").await?;
    officer.follow("#mark").await?;
    assert_eq!(officer.status().await?, 422);
    officer.look("watch-marks-faulty", "marks-title").await?;
    let reason = format!("보안 점검 계획에 따름 {}", officer.view);
    for (flag, number) in [("vip", &known), ("decoy", &decoy)] {
        officer.choose("#flag", flag).await?;
        officer.fill("#institution", &officer.world.hospital).await?;
        officer.fill("#number", number).await?;
        officer.fill("#reason", &reason).await?;
        officer.follow("#mark").await?;
        assert_eq!(officer.text("#done").await?, text(officer.language(), "marks-set"));
    }
    officer.look("watch-marks-set", "marks-title").await?;
    let take = field_of_mark(officer, &reason).await?.ok_or("the mark does not stand")?;
    officer.fill(&format!("[id='{take}']"), "임기가 끝남").await?;
    officer.follow(&format!("form:has([id='{take}']) button")).await?;
    officer.look("watch-marks-taken", "marks-title").await?;
    assert_eq!(field_of_mark(officer, &reason).await?, None, "it is taken away once");
    Ok(decoy)
}

/// The field for why the mark of somebody in the public eye that was set for a reason is taken away.
async fn field_of_mark(officer: &Browser, reason: &str) -> Result<Option<String>, Fault> {
    let find = "const line = [...document.querySelectorAll(\"#marks li:has([value='vip'])\")]
                    .find(li => li.innerText.includes(arguments[0]));
                return line?.querySelector('[type=text]').id ?? null";
    Ok(officer.run(find, vec![reason.into()]).await?.as_str().map(ToOwned::to_owned))
}

/// The doctor asks for the decoy, and the officer's open page tells of it by itself. Gives the address of the case.
async fn seen_live(officer: &Browser, doctor: &Browser, name: &str, decoy: &str) -> Result<String, Fault> {
    officer.goto("/staff/watch/live").await?;
    officer.look("watch-live", "watch-live-title").await?;
    let on = text(officer.language(), "watch-live-state-on");
    officer.until_says("#live-state", &on).await?;
    officer.mark().await?;
    let before = officer.ids("#live-list li").await?;

    doctor.goto("/staff/access").await?;
    doctor.look("staff-access", "staff-access-title").await?;
    doctor.choose("#role", "clinician").await?;
    doctor.fill("#institution", &doctor.world.hospital).await?;
    doctor.fill("#number", decoy).await?;
    doctor.fill("#reason", "외래 진료").await?;
    doctor.follow("#ask").await?;
    doctor.look("staff-access-asked", "staff-access-title").await?;

    let mut opened = before;
    loop {
        // Another officer's case may come first: what is the doctor's stands in the case alone.
        let not_yet = opened.iter().map(|id| format!(":not(#{id})")).collect::<String>();
        officer.until(&format!("#live-list li{not_yet}")).await?;
        assert_eq!(officer.run("return window.leftBehind === true", vec![]).await?, true, "the page was loaded again");
        let id = officer.ids(&format!("#live-list li{not_yet}")).await?.swap_remove(0);
        let case = format!("/staff/watch/case/{}", id.trim_start_matches("case-"));
        if is_about(officer, &case, name).await? {
            officer.look("watch-live-told", "watch-live-title").await?;
            return Ok(case);
        }
        opened.push(id);
    }
}

/// Whether a page has a word on it, without leaving the one that is open.
async fn is_about(browser: &Browser, path: &str, word: &str) -> Result<bool, Fault> {
    let read = "const [path, word, done] = arguments;
                const words = page => new DOMParser().parseFromString(page, 'text/html').body.textContent;
                fetch(path).then(answer => answer.text()).then(page => done(words(page).includes(word)))";
    Ok(browser.run_async(read, vec![path.into(), word.into()]).await? == true)
}

async fn asked_and_answered(officer: &Browser, doctor: &Browser, case: &str) -> Done {
    let heading = text(officer.language(), "watch-rule-decoy");
    officer.follow(&format!("a[href='{case}']")).await?;
    officer.look_at("watch-case", &heading).await?;
    officer.follow("#assign").await?;
    officer.follow("#ask").await?;
    assert_eq!(officer.status().await?, 422);
    assert_eq!(officer.text("#ask-fault").await?, text(officer.language(), "watch-fault-text"));
    officer.look_at("watch-case-faulty", &heading).await?;
    officer.fill("#ask-text", "이 기록을 왜 보려고 하셨습니까?").await?;
    officer.follow("#ask").await?;
    officer.goto("/staff/watch?which=mine").await?;
    officer.look("watch-mine", "watch-title").await?;
    assert!(officer.has(&format!("a[href='{case}']")).await?, "whoever takes a case finds it among theirs");

    doctor.goto("/staff/questions").await?;
    doctor.look("questions", "questions-title").await?;
    doctor.fill("#question-list textarea", "이름이 같은 다른 환자로 알았습니다.").await?;
    doctor.follow("#question-list form button").await?;
    doctor.look("questions-answered", "questions-title").await?;
    assert!(!doctor.has("#question-list textarea").await?, "it is answered once");
    Ok(())
}

async fn closed(officer: &Browser, case: &str) -> Done {
    let heading = text(officer.language(), "watch-rule-decoy");
    officer.goto(case).await?;
    assert!(officer.text("main").await?.contains("이름이 같은 다른 환자"));
    officer.follow("#close").await?;
    assert_eq!(officer.text("#outcome-fault").await?, text(officer.language(), "watch-fault-outcome"));
    officer.choose("#outcome", "breach").await?;
    officer.fill("#close-text", "찾던 환자와 다른 사람입니다.").await?;
    officer.follow("#close").await?;
    officer.look_at("watch-case-closed", &heading).await?;
    assert!(officer.has("#duties").await?, "a breach leaves something to do");
    let duties = officer.count("form:has([name=duty])").await?;
    officer.follow("form:has([name=duty]) button").await?;
    assert_eq!(officer.count("form:has([name=duty])").await?, duties - 1);
    officer.goto("/staff/watch?which=closed").await?;
    officer.look("watch-closed", "watch-title").await?;
    assert!(officer.has(&format!("a[href='{case}']")).await?);
    Ok(())
}

/// Signs a month that is over: each view another one, since a month is signed once.
async fn review(officer: &Browser) -> Done {
    officer.goto("/staff/watch/review").await?;
    if officer.language() == Language::English {
        officer.follow("#earlier").await?;
    }
    let path = officer.path().await?;
    let month = path.rsplit('/').next().unwrap_or_default();
    let heading = text_with(officer.language(), "review-title", &[("month", month)]);
    officer.look_at("watch-review", &heading).await?;
    officer.fill("#note", "달마다 보는 점검을 마쳤습니다.").await?;
    officer.follow("#sign").await?;
    officer.look_at("watch-review-signed", &heading).await?;
    assert!(officer.has("#signed").await? && !officer.has("#sign-form").await?);

    officer.goto("/staff/watch/review").await?;
    let path = officer.path().await?;
    let open = month_after(path.rsplit('/').next().unwrap_or_default()).ok_or("the address names a month")?;
    officer.goto(&format!("/staff/watch/review/{open}")).await?;
    officer.look_at("watch-review-open", &text_with(officer.language(), "review-title", &[("month", &open)])).await?;
    assert!(!officer.has("#sign-form").await?);
    Ok(())
}

fn month_after(month: &str) -> Option<String> {
    let (year, month) = month.split_once('-')?;
    let (year, month): (u16, u8) = (year.parse().ok()?, month.parse().ok()?);
    Some(if month == 12 { format!("{}-01", year + 1) } else { format!("{year}-{:02}", month + 1) })
}
