//! Proofs in the browser: the sheet and the file that a genuine document gives, and what is said of them when they come back.

use crate::browser::{Browser, between};
use crate::site::Site;
use ledger::TlogProof;
use store::{Log, Stamp};

/// A document of somebody, as a stranger has it.
fn issued(site: &Site, person: &synth::people::Person) -> Vec<u8> {
    let browser = site.browser();
    site.sign_in(&browser, person);
    let page = browser.get("/records");
    browser.post("/records/issue", &[("csrf", &page.csrf()), ("what", "all"), ("pdf_language", "ko")]).bytes
}

/// The short proof that the page of a genuine document carries.
fn short(browser: &Browser, pdf: &[u8]) -> String {
    let page = browser.upload("/verify", pdf);
    page.says(200, "발급된 그대로입니다").says(200, "id=\"proof-form\"");
    between(&page.text(), "name=\"proof\" value=\"", "\"")
}

#[test]
fn a_document_gives_a_sheet_and_a_file_that_are_checked_again() {
    let site = Site::new();
    let (mine, other) = (issued(&site, &site.kim), issued(&site, &site.lee));
    let stranger = site.browser();
    let (proof, others) = (short(&stranger, &mine), short(&stranger, &other));
    assert!(proof.starts_with("HMP1:") && proof.len() <= 2_100, "{} characters", proof.len());
    let verified = site.world.archive().verify(&mine).expect("genuine");
    let number = verified.number.to_string();

    let sheet = stranger.post("/verify/proof", &[("what", "sheet"), ("proof", &proof)]);
    sheet.says(200, &number).says(200, "<svg").says(200, "증명하지 않는 것").says(200, &verified.origin);
    sheet.says(200, &base::hex(&verified.content)).says(200, "2026년 11월 22일");
    assert!(
        !sheet.text().contains("data:") && !sheet.text().contains("김하늘"),
        "no picture from elsewhere, and no name"
    );
    stranger.get("/verify/proof").leads_to("/verify");

    let file = stranger.post("/verify/proof", &[("what", "file"), ("proof", &proof)]);
    assert_eq!((file.status, file.header("content-type")), (200, "text/plain; charset=utf-8"));
    let name = format!("attachment; filename=\"{number}.tlog-proof.txt\"");
    assert_eq!(file.header("content-disposition"), name);
    let written = TlogProof::parse(&file.bytes).expect("a proof file");
    assert_eq!((written.index, written.time_stamp()), (verified.index, None));

    // Back again: pasted as forms send it, or as a file.
    let pasted = format!("{}\r\n{}\r\n", &proof[..90], &proof[90..]);
    for parts in
        [[("file", &b""[..]), ("proof", pasted.as_bytes())], [("file", pasted.as_bytes()), ("proof", &b""[..])]]
    {
        let told = stranger.upload_parts("/verify", &parts);
        told.says(200, "진짜 증명입니다").says(200, &number).says(200, "PDF 파일도 올려").says(200, "2026년 11월 22일");
    }
    let crlf = file.text().replace('\n', "\r\n");
    let beside = |file: &[u8], text: &[u8]| stranger.upload_parts("/verify", &[("file", file), ("proof", text)]);
    beside(&mine, crlf.as_bytes()).says(200, "발급된 그대로입니다").says(200, "이 문서의 증명이 맞습니다");
    beside(&file.bytes, proof.as_bytes()).says(200, "진짜 증명입니다").says(200, "이 문서의 증명이 맞습니다");
    beside(&mine, proof.as_bytes()).says(200, "발급된 그대로입니다").says(200, "이 문서의 증명이 맞습니다");
    beside(&other, crlf.as_bytes()).says(200, "발급된 그대로입니다").says(200, "이 문서의 증명이 아니거나");
    beside(&mine, others.as_bytes()).says(200, "발급된 그대로입니다").says(200, "이 문서의 증명이 아니거나");
    let alone = beside(b"", crlf.as_bytes());
    alone.says(200, "이 파일만으로는 확인할 수 없습니다");
    assert!(!alone.text().contains(&number), "a place in the log tells nobody the number there");
}

#[test]
fn a_proof_file_carries_the_time_stamp_that_is_over_its_document() {
    let site = Site::new();
    let pdf = issued(&site, &site.kim);
    let stranger = site.browser();
    let proof = short(&stranger, &pdf);
    let store = site.world.store();
    let head = store.checkpoint_to_stamp(Log::Records, 3_600).expect("read").expect("something is sealed");
    let stamp = Stamp {
        note: head.note,
        size: head.checkpoint.size,
        authority: "test".to_owned(),
        time_s: 1_795_340_000,
        token: b"made up".to_vec(),
    };
    store.keep_stamp(Log::Records, stamp, |_| None).expect("kept");
    let file = stranger.post("/verify/proof", &[("what", "file"), ("proof", &proof)]);
    let written = TlogProof::parse(&file.bytes).expect("a proof file");
    assert_eq!(written.time_stamp(), Some(&b"made up"[..]));
    let told = stranger.upload_parts("/verify", &[("file", &pdf), ("proof", &file.bytes)]);
    told.says(200, "발급된 그대로입니다").says(200, "한마루가 아는 기관의 것이 아니어서");
    stranger.get("/status").says(200, "건까지");
}

#[test]
fn what_is_no_proof_is_told_and_makes_nothing() {
    let site = Site::new();
    let stranger = site.browser();
    let proof = short(&stranger, &issued(&site, &site.kim));
    let changed = proof.replacen('0', "1", 1);
    assert_ne!(changed, proof);
    let handed = |text: &[u8]| stranger.upload_parts("/verify", &[("file", b""), ("proof", text)]);
    for text in [changed.as_bytes(), b"HMP1:", b"HMP1:\xff", b"hello", b"\xff\xfe", b"<script>"] {
        handed(text).says(200, "증명이 맞지 않습니다");
    }
    handed(b" \r\n ").says(422, "파일을 고르지 않으셨습니다");
    handed(&vec![b'x'; ledger::proof::PROOF_LEN_MAX]).says(200, "증명이 맞지 않습니다");
    handed(&vec![b'x'; ledger::proof::PROOF_LEN_MAX + 1]).says(413, "너무 깁니다");
    let make = |what: &str, text: &str| stranger.post("/verify/proof", &[("what", what), ("proof", text)]);
    for what in ["sheet", "file"] {
        make(what, &changed).says(422, "증명이 맞지 않습니다");
        make(what, "").says(422, "증명이 맞지 않습니다");
    }
    assert_eq!(make("else", &proof).status, 400);
}
