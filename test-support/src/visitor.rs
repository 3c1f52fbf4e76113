//! [`Visitor`]: a browser without a screen, for sign-ins that need no script.

use std::{collections::BTreeMap, time::Duration};

use http::{
    HeaderMap, StatusCode,
    header::{LOCATION, SET_COOKIE},
};
use reqwest::{Client, RequestBuilder, Url, redirect::Policy};

/// Visits pages, keeps cookies, follows redirects and submits forms.
pub struct Visitor {
    client: Client,
    /// By host with port, and by name.
    cookies: BTreeMap<(String, String), String>,
}

/// A page that was reached, or the redirect to a place outside.
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub html: String,
}

impl Visitor {
    pub fn new() -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE).build().unwrap();
        Self { client, cookies: BTreeMap::new() }
    }

    /// Visits an address and follows redirects, until the next would lead to an address that begins
    /// with `until`.
    pub async fn visit(&mut self, url: &str, until: &str) -> Page {
        let url = Url::parse(url).unwrap();
        let request = self.client.get(url.clone());
        self.follow(request, url, until).await
    }

    /// Submits the form of a page, with these fields beside the hidden ones.
    pub async fn submit(&mut self, page: &Page, fields: &[(&str, &str)], until: &str) -> Page {
        let action = attribute(&page.html, "action").unwrap_or_else(|| panic!("no form: {}", page.html));
        let url = page.url.join(&action.replace("&amp;", "&")).unwrap();
        let hidden = hidden_fields(&page.html);
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = form(&hidden.chain(fields.iter().copied()).collect::<Vec<_>>());
        let request = self.client.post(url.clone()).header("content-type", FORM).body(body);
        self.follow(request, url, until).await
    }

    /// The cookie with this name that an address gets.
    pub fn cookie(&self, url: &str, name: &str) -> Option<&str> {
        self.cookies.get(&(host(&Url::parse(url).unwrap()), name.to_owned())).map(String::as_str)
    }

    async fn follow(&mut self, mut request: RequestBuilder, mut url: Url, until: &str) -> Page {
        for _ in 0..20 {
            let response = request.header("cookie", self.cookies_for(&url)).send().await.unwrap();
            self.keep_cookies(&url, response.headers());
            let status = response.status();
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return Page { url, status: status.as_u16(), html: response.text().await.unwrap() };
            }
            let to = response.headers()[LOCATION].to_str().unwrap();
            url = url.join(to).unwrap();
            if !until.is_empty() && url.as_str().starts_with(until) {
                return Page { url, status: status.as_u16(), html: String::new() };
            }
            request = self.client.get(url.clone());
        }
        panic!("redirects without an end at {url}");
    }

    fn cookies_for(&self, url: &Url) -> String {
        let host = host(url);
        let own = self.cookies.iter().filter(|((of, _), _)| *of == host);
        own.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&mut self, url: &Url, headers: &HeaderMap) {
        for set in headers.get_all(SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            let key = (host(url), name.to_owned());
            if value.is_empty() || set.contains("Max-Age=0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
    }
}

impl Page {
    /// A parameter of the address.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }
}

/// Fields as `application/x-www-form-urlencoded`.
pub fn form(fields: &[(&str, &str)]) -> String {
    let url = Url::parse_with_params("http://form.invalid", fields).unwrap();
    url.query().unwrap_or_default().to_owned()
}

fn host(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap())
}

fn hidden_fields(html: &str) -> Vec<(String, String)> {
    let inputs = html.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
    let hidden = inputs.filter(|input| input.contains("type=\"hidden\""));
    hidden.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?))).collect()
}

fn attribute(html: &str, name: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

pub const FORM: &str = "application/x-www-form-urlencoded";

/// How long the tests wait at most.
const PATIENCE: Duration = Duration::from_secs(30);
