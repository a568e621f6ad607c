//! Every page with made-up content, in both languages: what tests render and what designers look at.

use crate::Locale;
use crate::error::{ErrorPage, PageError};
use crate::frame::Frame;
use crate::pages::access::AccessListPage;
use crate::pages::account::AccountPage;
use crate::pages::assets;
use crate::pages::help::{HelpPage, PrivacyPage};
use crate::pages::home::HomePage;
use crate::pages::institutions::{InstitutionPage, InstitutionsPage};
use crate::pages::records::{RecordsPage, VisitPage};
use crate::pages::second_step::SecondStepPage;
use crate::pages::sign_in::SignInPage;
use crate::pages::verify::VerifyPage;
use askama::Template;

/// A rendered page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Its name, fit for a file.
    pub name: String,
    /// The page.
    pub html: String,
}

/// Every page in one language.
///
/// # Errors
/// Where a template cannot be rendered.
pub fn all(locale: Locale) -> Result<Vec<Sample>, askama::Error> {
    let mut samples = vec![
        sample("home", &HomePage::sample(locale))?,
        sample("institutions", &InstitutionsPage::sample(locale))?,
        sample("institutions-empty", &InstitutionsPage::sample_empty(locale))?,
        sample("institutions-none", &InstitutionsPage::sample_none(locale))?,
        sample("institutions-faulty", &InstitutionsPage::sample_faulty(locale))?,
        sample("sign-in", &SignInPage::sample(locale))?,
        sample("second-step", &SecondStepPage::sample(locale))?,
        sample("second-step-enrol", &SecondStepPage::sample_enrol(locale))?,
        sample("records", &RecordsPage::sample(locale))?,
        sample("records-filtered", &RecordsPage::sample_filtered(locale))?,
        sample("records-none", &RecordsPage::sample_none(locale))?,
        sample("visit", &VisitPage::sample(locale))?,
        sample("access", &AccessListPage::sample(locale))?,
        sample("access-empty", &AccessListPage::sample_empty(locale))?,
        sample("account", &AccountPage::sample(locale))?,
        sample("account-ended", &AccountPage::sample_ended(locale))?,
        sample("help", &HelpPage::sample(locale))?,
        sample("privacy", &PrivacyPage::sample(locale))?,
    ];
    for (name, page) in InstitutionPage::samples(locale) {
        samples.push(sample(&format!("institution-{name}"), &page)?);
    }
    for (name, page) in VerifyPage::samples(locale) {
        samples.push(sample(&format!("verify-{name}"), &page)?);
    }
    for (number, error) in PageError::ALL.iter().enumerate() {
        let frame = Frame::sample(locale, "error-bad-title", "", "/", number % 2 == 0);
        samples.push(sample(&format!("error-{number:02}"), &ErrorPage::new(frame, error))?);
    }
    Ok(samples)
}

/// The style sheet, the mark and their addresses, to be laid beside the samples.
#[must_use]
pub fn assets() -> [(&'static str, &'static str); 2] {
    [("assets/style.css", assets::STYLE), ("assets/mark.svg", assets::MARK)]
}

fn sample(name: &str, page: &impl Template) -> Result<Sample, askama::Error> {
    Ok(Sample { name: name.to_owned(), html: page.render()? })
}
