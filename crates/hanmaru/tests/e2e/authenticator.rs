//! Somebody who signs in: who they are at the agency, and the authenticator app in their hand.

use crate::Fault;
use base::{Clock, SystemClock};
use std::time::Duration;
use synth::people::Person;
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// Seconds for which an app shows one code.
const STEP_S: u64 = 30;

/// Somebody who signs in.
#[derive(Clone)]
pub struct Somebody {
    pub name: String,
    /// 13 digits.
    pub number: String,
    /// The year of birth.
    pub born: i16,
    app: Option<App>,
}

#[derive(Clone)]
struct App {
    totp: Totp,
    /// The step of the newest code given out.
    step: u64,
}

impl Somebody {
    /// Somebody of the agency's people, without an app yet.
    pub fn of(person: &Person) -> Self {
        Self { name: person.name.clone(), number: person.rrn.clone(), born: person.birth_date.year(), app: None }
    }

    /// Types the secret that a page showed into the app.
    ///
    /// # Errors
    /// What is no secret.
    pub fn enrol(&mut self, shown: &str) -> Result<(), Fault> {
        let letters: String = shown.chars().filter(|letter| !letter.is_whitespace()).collect();
        let secret = Secret::try_from_base32(&letters).map_err(|error| format!("{shown} is no secret: {error}"))?;
        let totp = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_step_duration(STEP_S)
            .with_secret(secret)
            .build()
            .map_err(|error| format!("{shown} is no secret: {error}"))?;
        self.app = Some(App { totp, step: 0 });
        Ok(())
    }

    /// A code that was not given out before. The next step's is taken early, as an app whose clock is ahead would; where that
    /// is not enough, this waits.
    ///
    /// # Errors
    /// Where no app was set up.
    pub async fn code(&mut self) -> Result<String, Fault> {
        let app = self.app.as_mut().ok_or("no authenticator was set up")?;
        let step = (now_s() / STEP_S).max(app.step + 1);
        while now_s() / STEP_S + 1 < step {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        app.step = step;
        Ok(app.totp.generate(step * STEP_S).to_string())
    }

    /// The code that was given out last.
    ///
    /// # Errors
    /// Where no app was set up.
    pub fn used_code(&self) -> Result<String, Fault> {
        let app = self.app.as_ref().ok_or("no authenticator was set up")?;
        Ok(app.totp.generate(app.step * STEP_S).to_string())
    }

    /// A code that the app shows at no time near now.
    ///
    /// # Errors
    /// Where no app was set up.
    pub fn wrong_code(&self) -> Result<String, Fault> {
        let app = self.app.as_ref().ok_or("no authenticator was set up")?;
        let step = now_s() / STEP_S;
        let near: Vec<String> = (step - 2..step + 4).map(|step| app.totp.generate(step * STEP_S).to_string()).collect();
        let wrong = (0..10).map(|digit| digit.to_string().repeat(6)).find(|code| !near.contains(code));
        Ok(wrong.expect("six codes are near, and ten are tried"))
    }
}

fn now_s() -> u64 {
    u64::try_from(SystemClock::new().now().as_second()).expect("it is after 1970")
}
