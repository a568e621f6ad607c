//! Every page with made-up content, in both languages: what tests render and what designers look at.

use crate::Locale;
use crate::error::{ErrorPage, PageError};
use crate::frame::Frame;
use crate::pages::access::AccessListPage;
use crate::pages::account::AccountPage;
use crate::pages::app::{AppPage, NewAppPage};
use crate::pages::assets;
use crate::pages::consents::ConsentsPage;
use crate::pages::erasure::{CertificatePage, ErasurePage};
use crate::pages::erasures::{ErasureAskPage, ErasuresPage};
use crate::pages::granted::GrantedPage;
use crate::pages::help::{HelpPage, PrivacyPage};
use crate::pages::home::HomePage;
use crate::pages::institutions::{InstitutionPage, InstitutionsPage};
use crate::pages::marks::MarksPage;
use crate::pages::notices::NoticesPage;
use crate::pages::oversight::{GroundsPage, ReviewsPage};
use crate::pages::passkey::{PasskeyStepPage, PasskeysPage};
use crate::pages::people::PeoplePage;
use crate::pages::proof::ProofSheetPage;
use crate::pages::proofs::ProofsPage;
use crate::pages::prove::{OnwardPage, ProvePage};
use crate::pages::questions::QuestionsPage;
use crate::pages::records::RecordsPage;
use crate::pages::recovery::{RecoverPage, StaffRecoveryPage};
use crate::pages::representatives::RepresentativesPage;
use crate::pages::review::ReviewPage;
use crate::pages::second_step::SecondStepPage;
use crate::pages::sign_in::SignInPage;
use crate::pages::staff::StaffHomePage;
use crate::pages::staff_access::StaffAccessPage;
use crate::pages::status::StatusPage;
use crate::pages::verify::VerifyPage;
use crate::pages::visit::VisitPage;
use crate::pages::watch::{WatchLivePage, WatchPage};
use crate::pages::watch_case::WatchCasePage;
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
        sample("second-step-enrol-again", &SecondStepPage::sample_again(locale))?,
        sample("records", &RecordsPage::sample(locale))?,
        sample("records-filtered", &RecordsPage::sample_filtered(locale))?,
        sample("records-none", &RecordsPage::sample_none(locale))?,
        sample("visit", &VisitPage::sample(locale))?,
        sample("visit-granted", &VisitPage::sample_granted(locale))?,
        sample("access", &AccessListPage::sample(locale))?,
        sample("access-empty", &AccessListPage::sample_empty(locale))?,
        sample("account", &AccountPage::sample(locale))?,
        sample("account-ended", &AccountPage::sample_ended(locale))?,
        sample("passkeys", &PasskeysPage::sample(locale))?,
        sample("passkeys-empty", &PasskeysPage::sample_empty(locale))?,
        sample("app-new", &NewAppPage::sample(locale))?,
        sample("notices", &NoticesPage::sample(locale))?,
        sample("notices-none", &NoticesPage::sample_none(locale))?,
        sample("prove", &ProvePage::sample(locale))?,
        sample("prove-onward", &OnwardPage::sample(locale))?,
        sample("prove-onward-whom", &OnwardPage::sample_whom(locale))?,
        sample("staff", &StaffHomePage::sample(locale))?,
        sample("staff-people", &PeoplePage::sample(locale))?,
        sample("questions", &QuestionsPage::sample(locale))?,
        sample("questions-none", &QuestionsPage::sample_none(locale))?,
        sample("review", &ReviewPage::sample(locale))?,
        sample("review-signed", &ReviewPage::sample_signed(locale))?,
        sample("staff-access", &StaffAccessPage::sample(locale))?,
        sample("staff-access-none", &StaffAccessPage::sample_none(locale))?,
        sample("staff-proofs", &ProofsPage::sample(locale))?,
        sample("staff-proofs-found", &ProofsPage::sample_found(locale))?,
        sample("staff-proofs-form", &ProofsPage::sample_form(locale))?,
        sample("staff-proofs-unknown", &ProofsPage::sample_unknown(locale))?,
        sample("staff-grounds", &GroundsPage::sample(locale))?,
        sample("staff-reviews", &ReviewsPage::sample(locale))?,
        sample("staff-reviews-none", &ReviewsPage::sample_none(locale))?,
    ];
    samples.extend(shared(locale)?);
    samples.extend(open_pages(locale)?);
    samples.extend(recovery(locale)?);
    samples.extend(watch_pages(locale)?);
    samples.extend(erasures(locale)?);
    for (name, page) in InstitutionPage::samples(locale) {
        samples.push(sample(&format!("institution-{name}"), &page)?);
    }
    for (name, page) in PasskeyStepPage::samples(locale) {
        samples.push(sample(&format!("passkey-{name}"), &page)?);
    }
    for (name, page) in AppPage::samples(locale) {
        samples.push(sample(name, &page)?);
    }
    for (name, page) in StatusPage::samples(locale) {
        samples.push(sample(&format!("status-{name}"), &page)?);
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

/// What a person lets others see, and what is seen so.
fn shared(locale: Locale) -> Result<[Sample; 7], askama::Error> {
    Ok([
        sample("consents", &ConsentsPage::sample(locale))?,
        sample("consents-change", &ConsentsPage::sample_change(locale))?,
        sample("representatives", &RepresentativesPage::sample(locale))?,
        sample("representatives-faulty", &RepresentativesPage::sample_faulty(locale))?,
        sample("granted", &GrantedPage::sample(locale))?,
        sample("granted-seen", &GrantedPage::sample_seen(locale))?,
        sample("granted-empty", &GrantedPage::sample_empty(locale))?,
    ])
}

/// What is open to everybody, and the same for all.
fn open_pages(locale: Locale) -> Result<[Sample; 3], askama::Error> {
    Ok([
        sample("proof", &ProofSheetPage::sample(locale))?,
        sample("help", &HelpPage::sample(locale))?,
        sample("privacy", &PrivacyPage::sample(locale))?,
    ])
}

/// What security officers see of accesses.
fn watch_pages(locale: Locale) -> Result<Vec<Sample>, askama::Error> {
    Ok(vec![
        sample("watch", &WatchPage::sample(locale))?,
        sample("watch-none", &WatchPage::sample_none(locale))?,
        sample("watch-live", &WatchLivePage::sample(locale))?,
        sample("watch-case", &WatchCasePage::sample(locale))?,
        sample("watch-case-closed", &WatchCasePage::sample_closed(locale))?,
        sample("watch-case-faulty", &WatchCasePage::sample_faulty(locale))?,
        sample("watch-marks", &MarksPage::sample(locale))?,
        sample("watch-marks-faulty", &MarksPage::sample_faulty(locale))?,
    ])
}

/// Erasures in every state.
fn erasures(locale: Locale) -> Result<Vec<Sample>, askama::Error> {
    let mut samples = vec![
        sample("erasures", &ErasuresPage::sample(locale))?,
        sample("erasures-faulty", &ErasuresPage::sample_faulty(locale))?,
        sample("erasure-ask", &ErasureAskPage::sample(locale))?,
        sample("erasure-certificate", &CertificatePage::sample(locale))?,
    ];
    for (name, page) in ErasurePage::samples(locale) {
        samples.push(sample(&format!("erasure-{name}"), &page)?);
    }
    Ok(samples)
}

fn recovery(locale: Locale) -> Result<[Sample; 6], askama::Error> {
    Ok([
        sample("recover", &RecoverPage::sample(locale))?,
        sample("recover-suspect", &RecoverPage::sample_suspect(locale))?,
        sample("recover-asked", &RecoverPage::sample_asked(locale))?,
        sample("staff-recovery", &StaffRecoveryPage::sample(locale))?,
        sample("staff-recovery-asked", &StaffRecoveryPage::sample_asked(locale))?,
        sample("staff-recovery-found", &StaffRecoveryPage::sample_found(locale))?,
    ])
}

/// The style sheet, the mark and their addresses, to be laid beside the samples.
#[must_use]
pub fn assets() -> [(&'static str, &'static str); 3] {
    [("assets/style.css", assets::STYLE), ("assets/mark.svg", assets::MARK), ("assets/passkey.js", assets::PASSKEY)]
}

fn sample(name: &str, page: &impl Template) -> Result<Sample, askama::Error> {
    Ok(Sample { name: name.to_owned(), html: page.render()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Runs a check on every page in both languages; what it says is about that page.
    fn every_page(check: impl Fn(&str, Locale) -> Result<(), String>) {
        for locale in Locale::ALL {
            for page in all(locale).expect("every template renders") {
                let checked = check(&page.html, locale);
                assert!(checked.is_ok(), "{} in {}: {}", page.name, locale.tag(), checked.unwrap_err());
            }
        }
    }

    fn expect(holds: bool, what: &str) -> Result<(), String> {
        if holds { Ok(()) } else { Err(what.to_owned()) }
    }

    /// The start tags of elements with this name.
    fn tags<'a>(html: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
        let opens = format!("<{name}");
        let starts = html.match_indices(&opens).map(|(at, _)| at).collect::<Vec<_>>();
        starts.into_iter().filter_map(move |at| {
            let rest = &html[at..];
            let whole = !rest.as_bytes().get(name.len() + 1).is_some_and(u8::is_ascii_alphanumeric);
            rest.find('>').filter(|_| whole).map(|end| &rest[..=end])
        })
    }

    fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
        let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
        tag[from..].split('"').next()
    }

    fn ids(html: &str) -> Vec<&str> {
        html.match_indices(" id=\"").filter_map(|(at, mark)| html[at + mark.len()..].split('"').next()).collect()
    }

    #[test]
    fn every_text_is_there() {
        every_page(|html, locale| {
            expect(!html.contains('⟦'), "a text is missing")?;
            expect(html.contains(&format!("<html lang=\"{}\"", locale.tag())), "another language")?;
            expect(!html.contains("{ $") && !html.contains("<title> "), "a value or the title is missing")?;
            let title = html.split("<title>").nth(1).and_then(|rest| rest.split(" · ").next());
            expect(title.is_some_and(|title| !title.is_empty()), "no title")
        });
    }

    #[test]
    fn every_page_has_one_heading_and_its_landmarks() {
        every_page(|html, _| {
            expect(tags(html, "h1").count() == 1, "one h1")?;
            expect(tags(html, "main").count() == 1, "one main")?;
            expect(html.contains("href=\"#content\""), "a link that skips to the content")?;
            let levels: Vec<u32> = html
                .match_indices("<h")
                .filter_map(|(at, _)| html[at + 2..].chars().next()?.to_digit(10))
                .skip_while(|level| *level != 1)
                .collect();
            expect(levels.windows(2).all(|two| two[1] <= two[0] + 1), "a level of headings is leapt over")
        });
    }

    #[test]
    fn every_form_that_is_sent_carries_its_token() {
        every_page(|html, _| {
            for form in html.split("<form ").skip(1) {
                let form = form.split("</form>").next().unwrap_or_default();
                let personal = form.starts_with("method=\"post\"") && !form.contains("action=\"/verify");
                expect(!personal || form.contains("name=\"csrf\" value=\"sample-token\""), "a form without token")?;
                expect(!form.starts_with("method=\"get\"") || !form.contains("csrf"), "a token in an address")?;
            }
            Ok(())
        });
    }

    #[test]
    fn every_field_has_a_label_and_every_reference_its_target() {
        every_page(|html, _| {
            let ids = ids(html);
            expect(ids.iter().collect::<BTreeSet<_>>().len() == ids.len(), "an id stands twice")?;
            let shown = tags(html, "input").filter(|tag| attribute(tag, "type") != Some("hidden"));
            for field in shown.chain(tags(html, "select")) {
                let id = attribute(field, "id").ok_or("a field without id")?;
                expect(html.contains(&format!("<label for=\"{id}\"")), id)?;
            }
            for tag in html.split('<').map(|rest| rest.split('>').next().unwrap_or_default()) {
                for name in ["aria-describedby", "aria-labelledby", "for"] {
                    for target in attribute(tag, name).unwrap_or_default().split_whitespace() {
                        expect(ids.contains(&target), &format!("{name} leads to no {target}"))?;
                    }
                }
                if let Some(target) = attribute(tag, "href").and_then(|href| href.strip_prefix('#')) {
                    expect(ids.contains(&target), &format!("a link leads to no {target}"))?;
                }
            }
            Ok(())
        });
    }

    #[test]
    fn every_korean_word_on_a_page_of_another_language_is_marked() {
        let korean = |text: &str| text.chars().any(|letter| ('가'..='힣').contains(&letter));
        for page in all(Locale::English).expect("every template renders") {
            let body = page.html.split("<body>").nth(1).unwrap_or_default();
            let mut marked = Vec::new();
            for piece in body.split('<').skip(1) {
                let (tag, text) = piece.split_once('>').unwrap_or_default();
                let name = tag.split_whitespace().next().unwrap_or_default();
                match name.strip_prefix('/') {
                    Some(_) => drop(marked.pop()),
                    None if ["input", "br", "path"].contains(&name) => {}
                    None => marked.push(attribute(&format!("<{tag}"), "lang") == Some("ko")),
                }
                assert!(!korean(text) || marked.contains(&true), "{}: {text} is not marked", page.name);
            }
        }
    }

    #[test]
    fn nothing_runs_and_nothing_is_loaded_from_elsewhere() {
        every_page(|html, _| {
            let own = |address: &str| format!("<script src=\"{address}\" defer></script>");
            let (asks, follows) = (html.contains("id=\"passkey-form\""), html.contains("id=\"live-list\""));
            expect(
                html.matches("<script").count() == usize::from(asks || follows)
                    && html.contains(&own(assets::passkey_address())) == asks
                    && html.contains(&own(assets::watch_address())) == follows,
                "a script, or none where it is needed",
            )?;
            expect(!html.contains("javascript:"), "a script")?;
            expect(!html.contains(" style=") && !html.contains("<style"), "a style that the policy forbids")?;
            expect(!html.contains(" on"), "").or_else(|_| {
                let handler = html.split(" on").skip(1).any(|rest| {
                    let name: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
                    rest[name.len()..].starts_with("=\"")
                });
                expect(!handler, "an event handler")
            })?;
            let loads = |name: &str| html.contains(&format!("{name}=\"http")) || html.contains(&format!("{name}=\"//"));
            expect(!loads("href") && !loads("src") && !loads("action"), "something from elsewhere")
        });
    }
}
