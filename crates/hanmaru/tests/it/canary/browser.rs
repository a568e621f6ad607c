//! A browser without a window that remembers every address it was at or was shown, and everything it was sent.

use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Url};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::runtime::Runtime;

/// Redirects in a row after which something is wrong.
const REDIRECTS_MAX: usize = 10;

/// What all browsers saw.
#[derive(Default)]
pub struct Trail {
    /// Addresses that the program led to: of redirects, links, forms, scripts and pictures; each with the page that had it.
    pub addresses: Vec<(String, String)>,
    /// Headers of answers, with the address that was asked.
    pub headers: Vec<(String, String)>,
    /// Bodies of answers.
    pub bodies: Vec<Vec<u8>>,
    /// Requests: address, headers and body.
    pub sent: Vec<Vec<u8>>,
}

/// A browser with cookies of its own.
pub struct Browser {
    runtime: Rc<Runtime>,
    client: Client,
    base: String,
    cookies: RefCell<BTreeMap<(String, String), String>>,
    trail: Rc<RefCell<Trail>>,
}

/// What came back.
pub struct Page {
    /// Its status.
    pub status: u16,
    /// Where it stands in the end.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Browser {
    /// The first browser, at a portal.
    pub fn at(base: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = Client::builder().redirect(Policy::none()).no_proxy();
        // A connection that was broken off under one request must not be taken for the next.
        let client = client.pool_max_idle_per_host(0).build().expect("a client");
        let base = base.to_owned();
        Self { runtime: Rc::new(runtime), client, base, cookies: RefCell::default(), trail: Rc::default() }
    }

    /// Somebody else's browser, on the same trail.
    pub fn other(&self) -> Self {
        let (runtime, client) = (Rc::clone(&self.runtime), self.client.clone());
        Self { runtime, client, base: self.base.clone(), cookies: RefCell::default(), trail: Rc::clone(&self.trail) }
    }

    /// What all of them saw.
    pub fn trail(&self) -> std::cell::Ref<'_, Trail> {
        self.trail.borrow()
    }

    /// A request to be made up further.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.address(path))
    }

    /// Goes to an address.
    pub fn get(&self, path: &str) -> Page {
        self.send(self.request(Method::GET, path))
    }

    /// Sends a form as it stands on a page, and over it the fields given.
    pub fn submit(&self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let mut all = vec![("csrf", page.value("csrf"))];
        all.extend(fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.send(self.request(Method::POST, action).form(&all))
    }

    /// Uploads a file of this name to `/verify`.
    pub fn upload(&self, name: &str, bytes: &[u8]) -> Page {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/html\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, b"\r\n--b--\r\n"].concat();
        let request = self.request(Method::POST, "/verify").header("content-type", "multipart/form-data; boundary=b");
        self.send(request.body(body))
    }

    /// Sends a request and follows where it leads.
    pub fn send(&self, request: RequestBuilder) -> Page {
        self.dare(request).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Browser::send`], where the connection may be broken off because too much is sent.
    pub fn dare(&self, request: RequestBuilder) -> Result<Page, reqwest::Error> {
        let mut request = request.build()?;
        for _ in 0..REDIRECTS_MAX {
            let url = request.url().clone();
            if let Some(cookies) = self.cookies_for(&url) {
                request.headers_mut().insert("cookie", cookies.parse().expect("cookies are ASCII"));
            }
            self.trail.borrow_mut().sent.push(written(&request));
            let page = self.runtime.block_on(async {
                let answer = self.client.execute(request).await?;
                let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                let bytes = answer.bytes().await?.to_vec();
                Ok::<_, reqwest::Error>(Page { status, url: url.clone(), headers, bytes })
            })?;
            self.keep(&page);
            let Some(to) = page.headers.get(LOCATION) else { return Ok(page) };
            let to = url.join(to.to_str().expect("ASCII")).expect("an address");
            request = reqwest::Request::new(Method::GET, to);
        }
        panic!("too many redirects");
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with('/') { format!("{}{path}", self.base) } else { path.to_owned() }
    }

    fn cookies_for(&self, url: &Url) -> Option<String> {
        let jar = self.cookies.borrow();
        let own = jar.iter().filter(|((host, _), _)| host == url.authority());
        let pairs: Vec<String> = own.map(|((_, name), value)| format!("{name}={value}")).collect();
        Some(pairs.join("; ")).filter(|cookies| !cookies.is_empty())
    }

    fn keep(&self, page: &Page) {
        for cookie in page.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("ASCII");
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            let key = (page.url.authority().to_owned(), name.to_owned());
            if cookie.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(&key);
            } else {
                self.cookies.borrow_mut().insert(key, value.to_owned());
            }
        }
        let mut trail = self.trail.borrow_mut();
        let from = page.url.path().to_owned();
        for (name, value) in &page.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            if *name == LOCATION {
                trail.addresses.push((from.clone(), value.clone()));
            } else {
                trail.headers.push((from.clone(), format!("{name}: {value}")));
            }
        }
        if page.kind().starts_with("text/html") {
            let html = page.text();
            let named = ["href=\"", "src=\"", "action=\"", "formaction=\""].into_iter();
            let addresses = named.flat_map(|name| html.split(name).skip(1).filter_map(|rest| rest.split('"').next()));
            trail.addresses.extend(addresses.map(|address| (from.clone(), unescaped(address))));
        }
        trail.bodies.push(page.bytes.clone());
    }
}

impl Page {
    /// The text of a page.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Its media type.
    pub fn kind(&self) -> &str {
        self.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default()
    }

    /// The value of the first field of a name; empty where there is none.
    pub fn value(&self, name: &str) -> String {
        self.between(&format!("name=\"{name}\" value=\""), "\"").unwrap_or_default()
    }

    /// What stands between two texts.
    pub fn between(&self, before: &str, after: &str) -> Option<String> {
        let text = self.text();
        let rest = text.split_once(before)?.1;
        Some(unescaped(rest.split(after).next()?))
    }

    /// Asserts a status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.url, self.text());
        self
    }
}

/// A request as bytes, to be searched.
fn written(request: &reqwest::Request) -> Vec<u8> {
    let mut bytes = request.url().as_str().as_bytes().to_vec();
    for (name, value) in request.headers() {
        bytes.extend([b"\n", name.as_str().as_bytes(), b": ", value.as_bytes()].concat());
    }
    bytes.extend(request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default());
    bytes
}

fn unescaped(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#34;", "\"");
    plain.replace("&#x22;", "\"").replace("&#39;", "'").replace("&#38;", "&").replace("&amp;", "&")
}
