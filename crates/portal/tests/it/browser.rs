//! A browser without a screen: it keeps cookies, follows nothing by itself and fills in forms.

use reqwest::header::{HeaderMap, SET_COOKIE};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Runtime;

pub struct Browser {
    runtime: Arc<Runtime>,
    client: reqwest::Client,
    base: String,
    pub cookies: RefCell<BTreeMap<String, String>>,
    language: &'static str,
    loads: Cell<usize>,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Browser {
    pub fn new(runtime: &Arc<Runtime>, base: &str) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let (runtime, base) = (Arc::clone(runtime), base.to_owned());
        Self { runtime, client, base, cookies: RefCell::default(), language: "ko", loads: Cell::new(0) }
    }

    /// The same at another address of this machine.
    pub fn at(self, address: [u8; 4]) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let client = client.local_address(std::net::IpAddr::from(address)).build().expect("a client");
        Self { client, ..self }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(self.address(path)))
    }

    pub fn get_with(&self, path: &str, header: (&str, &str)) -> Answer {
        self.send(self.client.get(self.address(path)).header(header.0, header.1))
    }

    /// What an answer begins with, without waiting for its end.
    pub fn begin(&self, path: &str) -> Answer {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.get(self.address(path)).header("cookie", cookies.join("; "));
        self.runtime.block_on(async {
            let response = request.send().await.expect("an answer");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Answer { status, headers, bytes: Vec::new() }
        })
    }

    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(self.client.post(self.address(path)).form(fields))
    }

    pub fn post_with(&self, path: &str, fields: &[(&str, &str)], header: (&str, &str)) -> Answer {
        self.send(self.client.post(self.address(path)).form(fields).header(header.0, header.1))
    }

    /// Uploads a file under the name `file`.
    pub fn upload(&self, path: &str, bytes: &[u8]) -> Answer {
        self.upload_parts(path, &[("file", bytes)])
    }

    /// Sends a form whose parts may be files.
    pub fn upload_parts(&self, path: &str, parts: &[(&str, &[u8])]) -> Answer {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            let head = format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"a.pdf\"\r\n\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--b--\r\n");
        let request = self.client.post(self.address(path)).header("content-type", "multipart/form-data; boundary=b");
        self.send(request.body(body))
    }

    /// Pages shown so far, redirects aside.
    pub fn loads(&self) -> usize {
        self.loads.get()
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with('/') { format!("{}{path}", self.base) } else { path.to_owned() }
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request.header("cookie", cookies.join("; ")).header("accept-language", self.language);
        let answer = self.runtime.block_on(async {
            let response = request.send().await.expect("an answer");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Answer { status, headers, bytes: response.bytes().await.expect("a whole answer").to_vec() }
        });
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("ASCII");
            let (pair, attributes) = cookie.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            if attributes.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        if answer.location().is_none() {
            self.loads.set(self.loads.get() + 1);
        }
        answer
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).expect("a page is UTF-8")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub fn location(&self) -> Option<String> {
        self.headers.get("location").map(|value| value.to_str().expect("ASCII").to_owned())
    }

    /// The token of the page's forms.
    pub fn csrf(&self) -> String {
        between(&self.text(), "name=\"csrf\" value=\"", "\"")
    }

    /// Asserts that this is a page of this status with these words.
    #[track_caller]
    pub fn says(&self, status: u16, words: &str) -> &Self {
        let text = self.text();
        assert_eq!(self.status, status, "{text}");
        assert!(text.contains(words), "no {words:?} in {text}");
        self
    }

    /// Asserts that this sends the browser to a path.
    #[track_caller]
    pub fn leads_to(&self, path: &str) -> &Self {
        assert_eq!((self.status, self.location().as_deref()), (303, Some(path)), "{}", self.text());
        self
    }
}

pub fn between(text: &str, before: &str, after: &str) -> String {
    let from = text.find(before).unwrap_or_else(|| panic!("no {before:?} in {text}")) + before.len();
    text[from..from + text[from..].find(after).expect("the end")].to_owned()
}
