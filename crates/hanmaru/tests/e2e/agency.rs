//! Signing in, step by step, as a person does: the portal, the stand-in agency, the authenticator.

use crate::Done;
use crate::authenticator::Somebody;
use crate::browser::Browser;

/// What the agency's pages are headed by.
const IDENTIFY: [&str; 2] = ["본인 정보를 입력해 주세요", "Tell us who you are"];
const CONFIRM: [&str; 2] = ["인증번호를 입력해 주세요", "Enter the code"];

impl Browser {
    /// Signs in from anywhere and arrives at the records. No page on the way is looked at.
    pub async fn sign_in(&self, person: &mut Somebody) -> Done {
        self.goto("/records").await?;
        self.follow("#start").await?;
        self.prove_at_agency(person, false).await?;
        self.second_step(person, false).await
    }

    /// From the agency's first page to the second step.
    pub async fn prove_at_agency(&self, person: &Somebody, look: bool) -> Done {
        if look {
            self.look_at("agency-identify", IDENTIFY[self.word()]).await?;
        }
        self.fill("#name", &person.name).await?;
        self.fill("#rrn-front", &person.number[..6]).await?;
        self.fill("#rrn-back", &person.number[6..]).await?;
        self.follow("#send").await?;
        if look {
            self.look_at("agency-confirm", CONFIRM[self.word()]).await?;
        }
        let code = self.text("#sms-code").await?;
        self.fill("#code", &code).await?;
        self.follow("#confirm").await
    }

    /// The second step: sets the authenticator up where the page asks for that, and gives its code.
    pub async fn second_step(&self, person: &mut Somebody, look: bool) -> Done {
        if self.has("#secret").await? {
            if look {
                self.look("second-enrol", "enrol-title").await?;
            }
            person.enrol(&self.text("#secret").await?)?;
        } else if look {
            self.look("second-code", "second-title").await?;
        }
        let code = person.code().await?;
        self.give_code(&code).await
    }

    /// Gives a code of the authenticator, whatever comes of it.
    pub async fn give_code(&self, code: &str) -> Done {
        self.fill("#code", code).await?;
        self.follow("#send").await
    }

    /// Signs out by the button in the menu.
    pub async fn sign_out(&self) -> Done {
        self.click("#account-menu").await?;
        self.follow("nav form button").await
    }

    fn word(&self) -> usize {
        usize::from(self.language().tag() == "en")
    }
}
