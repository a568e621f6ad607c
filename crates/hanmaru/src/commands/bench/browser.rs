//! A browser without a window: follows redirects, keeps cookies, sends forms with what stands in them, and counts the pages
//! that a person would have seen. No scripts, no pictures, no styles: the portal needs none.

use crate::Failure;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use std::collections::BTreeMap;
use tokio::runtime::Runtime;

/// Redirects in a row after which something is wrong.
const REDIRECTS_MAX: usize = 10;

/// A browser with one window.
pub struct Browser {
    runtime: Runtime,
    client: Client,
    /// By host and port, then by name.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    /// Pages shown so far; redirects show nothing.
    pub loads: u32,
}

/// What is shown.
pub struct Page {
    url: Url,
    /// The media type.
    pub content_type: String,
    /// The bytes.
    pub body: Vec<u8>,
}

impl Browser {
    /// A browser that knows nothing yet.
    pub fn new() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = Client::builder().redirect(Policy::none()).no_proxy().build()?;
        Ok(Self { runtime, client, cookies: BTreeMap::new(), loads: 0 })
    }

    /// Goes to an address.
    pub fn open(&mut self, url: &str) -> Result<Page, Failure> {
        self.go(Method::GET, Url::parse(url)?, &[])
    }

    /// Follows the link with this `id`.
    pub fn follow(&mut self, page: &Page, id: &str) -> Result<Page, Failure> {
        let tag =
            page.tag("a", &format!("id=\"{id}\"")).ok_or_else(|| format!("no link {id} on {}", page.url.path()))?;
        let href = attribute(tag, "href").ok_or("a link without an address")?;
        self.go(Method::GET, page.url.join(&href)?, &[])
    }

    /// Sends the form that leads to `action`: its own values, and over them those given.
    pub fn send(&mut self, page: &Page, action: &str, values: &[(&str, &str)]) -> Result<Page, Failure> {
        let mut fields = page.form(action).ok_or_else(|| format!("no form for {action} on {}", page.url.path()))?;
        for (name, value) in values {
            fields.retain(|(known, _)| known != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.go(Method::POST, page.url.join(action)?, &fields)
    }

    fn go(&mut self, method: Method, url: Url, fields: &[(String, String)]) -> Result<Page, Failure> {
        let (mut method, mut url) = (method, url);
        for _ in 0..REDIRECTS_MAX {
            let mut request = self.client.request(method.clone(), url.clone()).header(COOKIE, self.cookies_for(&url));
            if method == Method::POST {
                request = request.form(fields);
            }
            let (status, headers, body) = self.runtime.block_on(async {
                let answer = request.send().await?;
                let (status, headers) = (answer.status(), answer.headers().clone());
                Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?.to_vec()))
            })?;
            for cookie in headers.get_all(SET_COOKIE) {
                self.keep(&url, cookie.to_str()?);
            }
            if status.is_redirection() {
                let to = headers.get(LOCATION).ok_or("a redirect to nowhere")?.to_str()?;
                (url, method) = (url.join(to)?, Method::GET);
                continue;
            }
            self.loads += 1;
            if !status.is_success() {
                return Err(format!("{} answered {status}", url.path()).into());
            }
            let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            return Ok(Page { url, content_type: content_type.to_owned(), body });
        }
        Err(format!("too many redirects, the last to {}", url.path()).into())
    }

    fn cookies_for(&self, url: &Url) -> String {
        let jar = self.cookies.get(url.authority());
        let pairs = jar.into_iter().flatten().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, url: &Url, cookie: &str) {
        let pair = cookie.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { return };
        let jar = self.cookies.entry(url.authority().to_owned()).or_default();
        if cookie.to_ascii_lowercase().contains("max-age=0") {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Page {
    /// The text within the element with this `id`, up to its first tag.
    pub fn text_of(&self, id: &str) -> Option<String> {
        let html = self.html()?;
        let from = html.find(&format!("id=\"{id}\""))?;
        let inner = html[from..].split_once('>')?.1;
        Some(unescaped(inner.split('<').next()?.trim()))
    }

    fn html(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// The first tag of a kind that has something in it.
    fn tag(&self, kind: &str, holding: &str) -> Option<&str> {
        let html = self.html()?;
        let opening = format!("<{kind} ");
        let tags = html.split(opening.as_str()).skip(1);
        tags.map(|rest| rest.split('>').next().unwrap_or_default()).find(|tag| tag.contains(holding))
    }

    /// Names and values of a form as it stands on the page.
    fn form(&self, action: &str) -> Option<Vec<(String, String)>> {
        let html = self.html()?;
        let wanted = format!("action=\"{action}\"");
        let form =
            html.split("<form ").skip(1).find(|form| form.split('>').next().unwrap_or_default().contains(&wanted))?;
        let form = form.split("</form>").next()?;
        let mut fields = Vec::new();
        for input in form.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
            let unticked = input.contains("type=\"checkbox\"") && !input.contains(" checked");
            if let Some(name) = attribute(input, "name").filter(|_| !unticked) {
                fields.push((name, attribute(input, "value").unwrap_or_default()));
            }
        }
        for select in form.split("<select ").skip(1).map(|rest| rest.split("</select>").next().unwrap_or_default()) {
            let options: Vec<&str> =
                select.split("<option ").skip(1).map(|rest| rest.split('>').next().unwrap_or_default()).collect();
            let chosen = options.iter().find(|option| option.contains(" selected")).or(options.first());
            if let Some((name, option)) = attribute(select.split('>').next()?, "name").zip(chosen) {
                fields.push((name, attribute(option, "value").unwrap_or_default()));
            }
        }
        Some(fields)
    }
}

/// The value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = format!(" {tag}");
    let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    Some(unescaped(tag[from..].split('"').next()?))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_sent_as_they_stand() {
        let body = "<form method=\"post\" action=\"/other\"><input name=\"x\" value=\"1\"></form>\
                    <form id=\"f\" method=\"post\" action=\"/go\"><input type=\"hidden\" name=\"csrf\" value=\"a&amp;b\">\
                    <input type=\"checkbox\" name=\"all\" value=\"yes\"><input name=\"code\">\
                    <select name=\"language\"><option value=\"ko\">한국어</option><option value=\"en\" selected>E</option></select></form>\
                    <p class=\"mono\" id=\"secret\">ABC</p>";
        let url = Url::parse("http://localhost/").expect("an address");
        let page = Page { url, content_type: "text/html".to_owned(), body: body.as_bytes().to_vec() };
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = vec![field("csrf", "a&b"), field("code", ""), field("language", "en")];
        assert_eq!(page.form("/go"), Some(expected));
        assert_eq!(page.form("/nowhere"), None);
        assert_eq!(page.text_of("secret").as_deref(), Some("ABC"));
    }
}
