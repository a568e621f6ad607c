//! One browser of one person: what a person can do with it, and nothing of what pages should look like.

use crate::Fault;
use crate::world::{Language, View, World};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for a page or a file.
const WAIT: Duration = Duration::from_secs(30);
/// How often is looked for what is waited for.
const GAP: Duration = Duration::from_millis(25);
/// Flags of every browser: nothing of it may reach beyond this machine, and no page is helped along.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--lang=en-US",
];

/// One browser. A cheap handle; [`Browser::close`] ends it.
#[derive(Clone)]
pub struct Browser {
    pub world: Arc<World>,
    pub view: View,
    /// Whether pages may run scripts.
    pub scripts: bool,
    client: Client,
    folder: PathBuf,
    http: reqwest::Client,
}

impl Browser {
    /// Opens a browser that knows nobody.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn open(world: &Arc<World>, view: View, scripts: bool) -> Result<Self, Fault> {
        let folder = world.browser_folder();
        std::fs::create_dir_all(folder.join("downloads"))?;
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(&folder, view, scripts));
        let mut tries = 0;
        let client = loop {
            match builder.connect(&world.driver_url).await {
                Ok(client) => break client,
                // A busy machine now and then starts a browser too slowly for its driver.
                Err(_) if tries < 2 => tries += 1,
                Err(error) => return Err(error.into()),
            }
        };
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { world: Arc::clone(world), view, scripts, client, folder, http })
    }

    /// A second browser of the same kind, which knows nobody either.
    ///
    /// # Errors
    /// As [`Browser::open`].
    pub async fn another(&self) -> Result<Self, Fault> {
        Self::open(&self.world, self.view, self.scripts).await
    }

    /// Ends the browser.
    pub async fn close(self) {
        if let Err(error) = self.client.close().await {
            println!("a browser did not close: {error}");
        }
    }

    /// The language its person reads.
    pub fn language(&self) -> Language {
        self.view.language
    }

    /// Goes to a path of the portal, or to a whole address.
    pub async fn goto(&self, path: &str) -> Result<(), Fault> {
        let url = if path.starts_with('/') { format!("{}{path}", self.world.portal_url) } else { path.to_owned() };
        self.client.goto(&url).await.map_err(|error| format!("going to {path}: {error}").into())
    }

    /// Presses something that leads to another page, and waits for that page.
    pub async fn follow(&self, css: &str) -> Result<(), Fault> {
        self.mark().await?;
        self.click(css).await?;
        self.arrived(css).await
    }

    /// Marks this page, so that [`Browser::arrived`] knows when it is left.
    pub async fn mark(&self) -> Result<(), Fault> {
        self.run("window.leftBehind = true", vec![]).await.map(drop)
    }

    /// Waits until the marked page is left and the next one is there. `after` says after what, for the fault.
    pub async fn arrived(&self, after: &str) -> Result<(), Fault> {
        let began = Instant::now();
        loop {
            let there = self.run("return !window.leftBehind && document.readyState === 'complete'", vec![]).await;
            if there.is_ok_and(|there| there == json!(true)) {
                return Ok(());
            }
            if began.elapsed() > WAIT {
                return Err(format!("no other page came after {after}").into());
            }
            tokio::time::sleep(GAP).await;
        }
    }

    /// Presses something on the page.
    pub async fn click(&self, css: &str) -> Result<(), Fault> {
        let element = self.find(css).await?;
        // Parts that stick to an edge of the window may lie over what a person would scroll to first.
        let centre = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})";
        self.run(centre, vec![serde_json::to_value(&element)?]).await?;
        element.click().await.map_err(|error| format!("pressing {css}: {error}").into())
    }

    /// Replaces the text of a field.
    pub async fn fill(&self, css: &str, text: &str) -> Result<(), Fault> {
        let field = self.find(css).await?;
        let filled = async {
            field.clear().await?;
            field.send_keys(text).await
        };
        filled.await.map_err(|error: CmdError| format!("filling {css}: {error}").into())
    }

    /// Sets the day of a date field, whose parts are typed in an order that depends on the browser's own language.
    pub async fn set_day(&self, css: &str, day: &str) -> Result<(), Fault> {
        self.find(css).await?;
        self.run("document.querySelector(arguments[0]).value = arguments[1]", vec![css.into(), day.into()]).await?;
        Ok(())
    }

    /// Names the file of a file field.
    pub async fn name_file(&self, css: &str, path: &Path) -> Result<(), Fault> {
        let field = self.find(css).await?;
        field.send_keys(&path.display().to_string()).await.map_err(|error| format!("naming a file: {error}").into())
    }

    /// Chooses the entry of a list by its value.
    pub async fn choose(&self, css: &str, value: &str) -> Result<(), Fault> {
        let list = self.find(css).await?;
        list.select_by_value(value).await.map_err(|error| format!("choosing {value} in {css}: {error}").into())
    }

    /// Types into whatever has the focus.
    pub async fn type_text(&self, text: &str) -> Result<(), Fault> {
        self.client.active_element().await?.send_keys(text).await?;
        Ok(())
    }

    /// Presses a key.
    pub async fn press(&self, key: Key) -> Result<(), Fault> {
        self.type_text(&char::from(key).to_string()).await
    }

    /// The text of the first element that fits.
    pub async fn text(&self, css: &str) -> Result<String, Fault> {
        Ok(self.find(css).await?.text().await?)
    }

    /// The texts of all elements that fit.
    pub async fn texts(&self, css: &str) -> Result<Vec<String>, Fault> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(e => (e.innerText || '').trim())";
        let texts = self.run(script, vec![css.into()]).await?;
        Ok(serde_json::from_value(texts)?)
    }

    /// The ids of all elements that fit.
    pub async fn ids(&self, css: &str) -> Result<Vec<String>, Fault> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(e => e.id)";
        Ok(serde_json::from_value(self.run(script, vec![css.into()]).await?)?)
    }

    /// An attribute of the first element that fits.
    pub async fn attribute(&self, css: &str, name: &str) -> Result<Option<String>, Fault> {
        Ok(self.find(css).await?.attr(name).await?)
    }

    /// How many elements fit.
    pub async fn count(&self, css: &str) -> Result<usize, Fault> {
        Ok(self.client.find_all(Locator::Css(css)).await?.len())
    }

    /// Whether an element fits.
    pub async fn has(&self, css: &str) -> Result<bool, Fault> {
        Ok(self.count(css).await? > 0)
    }

    /// Path and query of the page.
    pub async fn path(&self) -> Result<String, Fault> {
        let url = self.client.current_url().await?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(format!("{}{query}", url.path()))
    }

    /// Where the browser is, for faults: the path without its query, and the page's heading.
    pub async fn place(&self) -> String {
        let path = match self.client.current_url().await {
            Ok(url) => url.path().to_owned(),
            Err(error) => return format!("a page the driver does not know: {error}"),
        };
        format!("{path} “{}”", self.texts("h1").await.unwrap_or_default().join(" / "))
    }

    /// The HTTP status of the page.
    pub async fn status(&self) -> Result<u64, Fault> {
        let status = self.run("return performance.getEntriesByType('navigation')[0].responseStatus", vec![]).await?;
        status.as_u64().ok_or_else(|| "the browser does not know the status of its page".into())
    }

    /// Runs a script of ours, which the page's security policy does not bind, and gives what it returns.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Result<Value, Fault> {
        Ok(self.client.execute(script, arguments).await?)
    }

    /// Runs a script of ours that calls its last argument when it is done.
    pub async fn run_async(&self, script: &str, arguments: Vec<Value>) -> Result<Value, Fault> {
        Ok(self.client.execute_async(script, arguments).await?)
    }

    /// The next file that is saved, within the time a person would wait. It is taken out of the folder.
    pub async fn download(&self) -> Result<(String, Vec<u8>), Fault> {
        let began = Instant::now();
        while began.elapsed() < WAIT {
            if let Some(path) = self.saved()? {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
                let bytes = std::fs::read(&path)?;
                std::fs::remove_file(&path)?;
                return Ok((name, bytes));
            }
            tokio::time::sleep(GAP).await;
        }
        Err("no file was saved".into())
    }

    /// A file of ours that is there whole. Chromium writes under another name first, and holds the last one with an empty file.
    fn saved(&self) -> Result<Option<PathBuf>, Fault> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.folder.join("downloads"))? {
            files.push(entry?.path());
        }
        let is_part = |path: &PathBuf| path.extension().is_some_and(|kind| kind != "pdf" && kind != "txt");
        let is_empty = |path: &PathBuf| std::fs::metadata(path).map_or(true, |file| file.len() == 0);
        Ok(if files.iter().any(|path| is_part(path) || is_empty(path)) { None } else { files.pop() })
    }

    /// The value of a cookie, of those that scripts cannot see as well.
    pub async fn cookie(&self, name: &str) -> Result<Option<String>, Fault> {
        let answer = self.devtools("Network.getCookies", json!({ "urls": [self.world.portal_url] })).await?;
        let cookies = answer["cookies"].as_array().cloned().unwrap_or_default();
        let found = cookies.iter().find(|cookie| cookie["name"] == name);
        Ok(found.and_then(|cookie| cookie["value"].as_str()).map(ToOwned::to_owned))
    }

    /// Sets a cookie of the portal.
    pub async fn set_cookie(&self, name: &str, value: &str) -> Result<(), Fault> {
        let cookie = json!({
            "name": name, "value": value, "url": self.world.portal_url, "path": "/",
            "secure": true, "httpOnly": true, "sameSite": "Lax",
        });
        let answer = self.devtools("Network.setCookie", cookie).await?;
        if answer["success"] == json!(true) { Ok(()) } else { Err(format!("the cookie {name} was not set").into()) }
    }

    /// Gives the browser an authenticator that checks its holder, in place of any it had. `copyable` says whether its passkeys may
    /// be on several devices.
    pub async fn authenticator(&self, copyable: bool) -> Result<(), Fault> {
        self.devtools("WebAuthn.disable", json!({})).await?;
        self.devtools("WebAuthn.enable", json!({})).await?;
        let options = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "automaticPresenceSimulation": true, "defaultBackupEligibility": copyable,
            "defaultBackupState": false,
        });
        self.devtools("WebAuthn.addVirtualAuthenticator", json!({ "options": options })).await.map(drop)
    }

    /// Waits until an element fits, on the page that is there.
    pub async fn until(&self, css: &str) -> Result<(), Fault> {
        let began = Instant::now();
        while !self.has(css).await? {
            if began.elapsed() > WAIT {
                return Err(format!("{css} never came").into());
            }
            tokio::time::sleep(GAP).await;
        }
        Ok(())
    }

    /// Waits until an element says something, on the page that is there.
    pub async fn until_says(&self, css: &str, text: &str) -> Result<(), Fault> {
        let began = Instant::now();
        while self.text(css).await? != text {
            if began.elapsed() > WAIT {
                return Err(format!("{css} never said {text:?}").into());
            }
            tokio::time::sleep(GAP).await;
        }
        Ok(())
    }

    /// Sends a form by itself, without what the browser keeps, and gives the status of the answer.
    pub async fn send(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Result<u16, Fault> {
        let policy = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(policy).build()?;
        let url = format!("{}{path}", self.world.portal_url);
        Ok(http.post(url).header("cookie", cookie).form(fields).send().await?.status().as_u16())
    }

    /// Invites a member of staff on the command line: the link.
    pub async fn invite(&self, name: &str, role: &str) -> Result<String, Fault> {
        Ok(self.invite_with(name, role, &[]).await?.1)
    }

    /// The same, with the account: it and the link.
    pub async fn employ(&self, name: &str, role: &str) -> Result<(String, String), Fault> {
        self.invite_with(name, role, &[]).await
    }

    /// The same, to an institution.
    pub async fn invite_at(&self, name: &str, role: &str, institution: &str) -> Result<String, Fault> {
        Ok(self.invite_with(name, role, &["--institution", institution]).await?.1)
    }

    /// Says on the command line which person a member of staff is, by the user code that the person is shown.
    pub async fn register(&self, account: &str, code: &str) -> Result<(), Fault> {
        let config = self.world.scratch("data/hanmaru.toml");
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hanmaru"));
        command.arg("watch").arg("--config").arg(config).args(["staff", account, "--person", code]);
        let said = command.output().await?;
        if said.status.success() {
            return Ok(());
        }
        Err(format!("nobody was registered: {}", String::from_utf8_lossy(&said.stderr)).into())
    }

    async fn invite_with(&self, name: &str, role: &str, more: &[&str]) -> Result<(String, String), Fault> {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hanmaru"));
        command.args(["staff", "invite", "--name", name, "--role", role]).args(more);
        let made = command.arg("--config").arg(self.world.scratch("data/hanmaru.toml")).output().await?;
        let said = String::from_utf8_lossy(&made.stdout).into_owned();
        let account = said.lines().find_map(|line| line.strip_prefix("account "));
        let link = said.lines().find(|line| line.contains("/staff/enrol/"));
        account
            .zip(link)
            .map(|(account, link)| (account.to_owned(), link.to_owned()))
            .ok_or_else(|| format!("no invitation: {said} {}", String::from_utf8_lossy(&made.stderr)).into())
    }

    /// A command of Chromium's own, for what WebDriver has none.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<Value, Fault> {
        let session = self.client.session_id().await?.ok_or("the browser has no session")?;
        let url = format!("{}/session/{session}/goog/cdp/execute", self.world.driver_url);
        let body = json!({ "cmd": command, "params": parameters });
        let answer = self.http.post(url).json(&body).send().await?;
        let good = answer.status().is_success();
        let mut value: Value = answer.json().await?;
        let value = value["value"].take();
        if good { Ok(value) } else { Err(format!("{command}: {}", value["message"]).into()) }
    }

    async fn find(&self, css: &str) -> Result<Element, Fault> {
        let found = self.client.find(Locator::Css(css)).await;
        found.map_err(|error| match error {
            error if error.is_no_such_element() => format!("there is no {css} on this page").into(),
            error => format!("looking for {css}: {error}").into(),
        })
    }
}

fn capabilities(folder: &Path, view: View, scripts: bool) -> Map<String, Value> {
    let mut flags: Vec<String> = FLAGS.iter().map(ToString::to_string).collect();
    flags.push(format!("--user-data-dir={}", folder.join("profile").display()));
    flags.push(format!("--window-size={},{}", view.width, view.height));
    let languages = match view.language {
        Language::Korean => "ko-KR,ko",
        Language::English => "en-GB,en",
    };
    let mut preferences = json!({
        "intl.accept_languages": languages,
        "download.default_directory": folder.join("downloads"),
        "download.prompt_for_download": false,
        "plugins.always_open_pdf_externally": true,
    });
    if !scripts {
        // Blocks the scripts of pages; what the driver runs is not theirs.
        preferences["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    let mut options = json!({ "args": flags, "prefs": preferences });
    if view.is_phone() {
        let metrics =
            json!({ "width": view.width, "height": view.height, "pixelRatio": 1.0, "mobile": true, "touch": true });
        options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
    }
    let timeouts = json!({ "script": 60_000, "pageLoad": 60_000, "implicit": 0 });
    let mut capabilities = Map::new();
    capabilities.insert("browserName".to_owned(), json!("chrome"));
    capabilities.insert("timeouts".to_owned(), timeouts);
    capabilities.insert("goog:chromeOptions".to_owned(), options);
    capabilities
}
