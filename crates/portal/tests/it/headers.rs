//! What every answer says to browsers.

use crate::site::Site;

#[test]
fn every_answer_is_locked_down() {
    let site = Site::new();
    let browser = site.browser();
    site.sign_in(&browser, &site.kim);
    for path in
        ["/", "/institutions", "/records", "/access", "/account", "/verify", "/help", "/nothing", "/assets/style.css"]
    {
        let answer = browser.get(path);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with(
                "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self' http://127.0.0.1:"
            ),
            "{policy}"
        );
        assert!(policy.ends_with("; frame-ancestors 'none'; base-uri 'none'"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        assert!(answer.header("permissions-policy").contains("camera=()"));
        assert_eq!(answer.header("strict-transport-security"), "", "plain HTTP must not say so");
        if !path.starts_with("/assets/") {
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        }
    }
}

#[test]
fn cookies_are_locked_to_this_host() {
    let site = Site::new();
    let browser = site.browser();
    let start = browser.get("/sign-in/start");
    let cookie = start.header("set-cookie");
    assert!(cookie.starts_with("__Host-hanmaru-sign-in="), "{cookie}");
    let back = site.prove_from(&browser, &site.kim, &start);
    let cookies: Vec<&str> =
        back.headers.get_all("set-cookie").iter().map(|value| value.to_str().expect("ASCII")).collect();
    assert!(cookies.iter().any(|cookie| cookie.starts_with("__Host-hanmaru-session=") && !cookie.contains("Max-Age")));
    assert!(
        cookies.iter().any(|cookie| cookie.starts_with("__Host-hanmaru-sign-in=;") && cookie.contains("Max-Age=0"))
    );
    for cookie in cookies.into_iter().chain([cookie]) {
        assert!(cookie.contains("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{cookie}");
    }
}

#[test]
fn a_session_changes_its_token_with_the_second_factor() {
    let site = Site::new();
    let browser = site.browser();
    site.prove(&browser, &site.kim);
    let before = browser.cookies.borrow()["__Host-hanmaru-session"].clone();
    let page = browser.get("/sign-in/second-step");
    let code = crate::site::App::of(&page).code(&site.world.clock);
    browser.post("/sign-in/second-step", &[("csrf", &page.csrf()), ("code", &code)]);
    let after = browser.cookies.borrow()["__Host-hanmaru-session"].clone();
    assert_ne!(before, after);
    browser.cookies.borrow_mut().insert("__Host-hanmaru-session".to_owned(), before);
    browser.get("/records").says(401, "다시 본인 확인을 해 주세요");
}

#[test]
fn the_style_is_kept_under_an_address_of_its_content() {
    let site = Site::new();
    let browser = site.browser();
    let page = browser.get("/").text();
    let address = crate::browser::between(&page, "rel=\"stylesheet\" href=\"", "\"");
    assert!(address.starts_with("/assets/style.css?"), "{address}");
    let style = browser.get(&address);
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(style.header("cache-control").contains("immutable"));
    assert_eq!(browser.get("/assets/mark.svg").header("content-type"), "image/svg+xml");
}
