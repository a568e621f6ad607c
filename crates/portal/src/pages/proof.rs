//! What is made from the short proof of a document: a sheet to print, and the proof file to keep. The proof comes with the form, is
//! checked again, and kept nowhere.

use crate::Portal;
use crate::error::{PageError, page};
use crate::fields::StrangerForm;
use crate::frame::Frame;
use crate::pages::verify::{details, issued_at, no_proof_page, sample_verified, when};
use crate::texts::Locale;
use crate::visitor::Visitor;
use archive::issue::Square;
use archive::verify::{Verified, VerifyFault, verify_proof_file, verify_qr};
use askama::Template;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use base::Timestamp;
use ledger::proof::PROOF_EXTENSION;
use store::{Log, StoreError};

#[derive(Template)]
#[template(path = "proof.html")]
pub(crate) struct ProofSheetPage {
    frame: Frame,
    number: String,
    square: Square,
    /// What the square holds.
    text: String,
    /// What it proves, and where it is checked.
    proves: String,
    check: String,
    /// Terms and what is said about them.
    facts: Vec<(String, String)>,
}

impl ProofSheetPage {
    fn of(
        frame: Frame,
        verified: &Verified,
        issued: Option<Timestamp>,
        text: &str,
        public_url: &str,
    ) -> Result<Self, PageError> {
        let t = frame.t;
        let number = verified.number.to_string();
        let facts = when(t, issued).into_iter().chain(details(t, verified)).collect();
        let square = Square::of(text).map_err(|_| PageError::TooLarge)?;
        let (proves, check) = (
            t.t1("proof-proves-text", "number", number.as_str()),
            t.t1("proof-check-text", "url", format!("{public_url}/verify")),
        );
        Ok(Self { number, square, text: text.to_owned(), proves, check, facts, frame })
    }

    pub fn sample(locale: Locale) -> Self {
        let frame = Frame::sample(locale, "proof-title", "verify", "/verify", false);
        let text = format!("HMP1:{}", "6K7 ".repeat(500));
        let issued = Timestamp::from_second(1_795_340_000).ok();
        Self::of(frame, &sample_verified(), issued, &text, "https://records.example.kr").expect("2,005 characters fit")
    }
}

/// `GET /verify/proof`: a sheet loaded again.
pub(crate) async fn back() -> Redirect {
    Redirect::to("/verify")
}

/// `POST /verify/proof`
pub(crate) async fn make(form: StrangerForm) -> Result<Response, PageError> {
    let StrangerForm { visitor, fields, .. } = form;
    let wants_file = match fields.text("what") {
        "sheet" => false,
        "file" => true,
        _ => return Err(PageError::Bad),
    };
    let text = fields.text("proof").to_owned();
    let verified = match verify_qr(&text, &visitor.portal.config().trust) {
        Ok(verified) => verified,
        Err(fault) => return no_proof_page(&visitor, &fault),
    };
    if wants_file { file(&visitor, verified).await } else { sheet(&visitor, verified, &text).await }
}

async fn sheet(visitor: &Visitor, verified: Verified, text: &str) -> Result<Response, PageError> {
    let number = verified.number.clone();
    let issued = visitor.portal.blocking(move |portal| issued_at(portal, &number)).await?;
    let public_url = &visitor.portal.config().public_url;
    page(&ProofSheetPage::of(visitor.frame("proof-title", "verify"), &verified, issued, text, public_url)?)
}

/// The same file as `hanmaru prove` writes.
async fn file(visitor: &Visitor, verified: Verified) -> Result<Response, PageError> {
    let number = verified.number.clone();
    let turn = visitor.portal.turn_to_check().await?;
    let made = visitor.portal.blocking(move |portal| {
        let _turn = turn;
        proof_file(portal, &verified)
    });
    match made.await? {
        Some(bytes) => {
            let name = format!("attachment; filename=\"{number}.{PROOF_EXTENSION}.txt\"");
            let headers =
                [(header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
            Ok((headers, bytes).into_response())
        }
        None => no_proof_page(visitor, &VerifyFault::NotLogged),
    }
}

/// The proof of a document, time-stamped where it can be; `None` where this installation's log holds something else there.
fn proof_file(portal: &Portal, verified: &Verified) -> Result<Option<Vec<u8>>, PageError> {
    let store = portal.archive().store();
    if store.verifier_key(Log::Records).name() != verified.origin {
        return Ok(None);
    }
    let proof = match store.stamped_proof(Log::Records, verified.index)? {
        Some((proof, _)) => proof,
        None => match store.proof(Log::Records, verified.index) {
            Err(StoreError::Ledger(ledger::Error::IndexBeyondSize { .. })) => return Ok(None),
            proof => proof?,
        },
    };
    let bytes = proof.to_bytes();
    let fits = verify_proof_file(verified, &bytes, &portal.config().trust, &[]).is_ok();
    Ok(Some(bytes).filter(|_| fits))
}
