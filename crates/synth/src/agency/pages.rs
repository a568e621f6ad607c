//! The stand-in agency's pages, in Korean and English. Its own small style, no scripts, nobody's logo.

use super::state::Message;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const STYLE: &str = "\
*{box-sizing:border-box}\
body{margin:0;font:17px/1.6 'Noto Sans KR','Nanum Gothic',system-ui,sans-serif;color:#1c1b19;background:#f4f2ee;word-break:keep-all}\
header{background:#5b2333;color:#fff;padding:.8rem 1rem;text-align:center;font-weight:700}\
main{max-width:30rem;width:calc(100% - 1.5rem);margin:1.5rem auto;padding:1.5rem;background:#fff;border:1px solid #cfcac0;border-radius:.5rem}\
h1{font-size:1.45rem;line-height:1.35;margin:0 0 .5rem}\
label,legend{display:block;font-weight:700;margin:1rem 0 .3rem;padding:0}\
fieldset{border:0;margin:1rem 0 0;padding:0}\
input{font:inherit;width:100%;min-height:3rem;padding:.5rem .7rem;border:2px solid #6b675f;border-radius:.35rem}\
.pair{display:flex;gap:.5rem;align-items:center}\
button{font:inherit;font-weight:700;min-height:3rem;width:100%;margin-top:1.2rem;border:2px solid #5b2333;\
border-radius:.35rem;background:#5b2333;color:#fff;cursor:pointer}\
button.second{background:#fff;color:#5b2333;margin-top:.7rem}\
:focus-visible{outline:3px solid #1f5fbf;outline-offset:2px}\
.hint{margin:0;color:#55514a}\
.fault{border-left:5px solid #a3200d;background:#fdf0ee;padding:.6rem .8rem;margin:1rem 0}\
.sms{border:2px dashed #6b675f;border-radius:.5rem;background:#fffbe9;padding:.8rem 1rem;margin:1rem 0}\
.sms p{margin:0}\
.sms strong{font-size:1.7rem;letter-spacing:.2em}\
a{color:#5b2333}";

/// The words of the pages in one language.
pub(super) struct Words {
    lang: &'static str,
    other_lang: &'static str,
    other: &'static str,
    title: &'static str,
    banner: &'static str,
    identify: &'static str,
    identify_hint: &'static str,
    name: &'static str,
    number: &'static str,
    front: &'static str,
    back: &'static str,
    send: &'static str,
    cancel: &'static str,
    confirm: &'static str,
    sms_head: &'static str,
    sms_text: &'static str,
    sent_to: &'static str,
    code: &'static str,
    sign_in: &'static str,
    resend: &'static str,
    go_back: &'static str,
    fault_head: &'static str,
    faults: [&'static str; 8],
}

/// What went wrong, as far as people need to know.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Unknown,
    WrongCode,
    Late,
    TooMany,
    TooManyMessages,
    Lost,
    Busy,
    Request,
}

static KOREAN: Words = Words {
    lang: "ko",
    other_lang: "en",
    other: "English",
    title: "본인확인",
    banner: "시연용 본인확인 – 실제 기관이 아닙니다 / stand-in for demonstration",
    identify: "본인 정보를 입력해 주세요",
    identify_hint: "시연용 합성 인물의 이름과 번호만 입력해 주세요. 실제 주민등록번호는 입력하지 마세요.",
    name: "이름",
    number: "주민등록번호",
    front: "주민등록번호 앞 6자리",
    back: "주민등록번호 뒤 7자리",
    send: "인증번호 받기",
    cancel: "취소하고 돌아가기",
    confirm: "인증번호를 입력해 주세요",
    sms_head: "모의 문자메시지 (실제로 보내지 않습니다)",
    sms_text: "[시연용 본인확인] 인증번호는 다음과 같습니다.",
    sent_to: "받는 번호",
    code: "인증번호 6자리",
    sign_in: "확인",
    resend: "인증번호 다시 받기",
    go_back: "이용하시던 서비스로 돌아가 처음부터 다시 시작해 주세요.",
    fault_head: "본인확인을 마치지 못했습니다",
    faults: [
        "이름이나 주민등록번호가 맞지 않습니다. 다시 확인해 주세요.",
        "인증번호가 맞지 않습니다. 문자메시지의 번호를 다시 확인해 주세요.",
        "인증번호의 유효 시간이 지났습니다. 인증번호를 다시 받아 주세요.",
        "여러 번 잘못 입력하셔서 본인확인을 중단했습니다.",
        "이 번호로 인증번호를 너무 자주 요청하셨습니다. 10분 뒤에 다시 시도해 주세요.",
        "본인확인 시간이 지났거나 다른 창에서 이미 끝났습니다.",
        "지금은 이용자가 많습니다. 잠시 뒤에 다시 시도해 주세요.",
        "요청이 올바르지 않습니다.",
    ],
};

static ENGLISH: Words = Words {
    lang: "en",
    other_lang: "ko",
    other: "한국어",
    title: "Identity check",
    banner: "시연용 본인확인 – 실제 기관이 아닙니다 / stand-in for demonstration",
    identify: "Tell us who you are",
    identify_hint: "Enter a made-up person of the demonstration only. Never enter a real national number.",
    name: "Name",
    number: "National number",
    front: "First 6 digits of the national number",
    back: "Last 7 digits of the national number",
    send: "Send me a code",
    cancel: "Cancel and go back",
    confirm: "Enter the code",
    sms_head: "Simulated text message (nothing is really sent)",
    sms_text: "[Stand-in identity check] Your code is:",
    sent_to: "Sent to",
    code: "6-digit code",
    sign_in: "Confirm",
    resend: "Send a new code",
    go_back: "Go back to the service you came from and start again.",
    fault_head: "The identity check was not completed",
    faults: [
        "The name or the national number does not match. Please check both.",
        "The code does not match. Please check the text message.",
        "The code is too old. Please ask for a new one.",
        "Too many wrong entries: the identity check was stopped.",
        "Too many codes were asked for with this number. Please try again in 10 minutes.",
        "The identity check took too long, or was finished in another window.",
        "Too many people are signing in right now. Please try again in a moment.",
        "The request is not valid.",
    ],
};

impl Words {
    /// English or Korean.
    pub(super) fn of(english: bool) -> &'static Self {
        if english { &ENGLISH } else { &KOREAN }
    }

    fn fault(&self, fault: Fault) -> &'static str {
        self.faults[fault as usize]
    }
}

/// The base64 SHA-256 of the style, for the content security policy.
pub(super) fn style_hash() -> String {
    STANDARD.encode(base::sha256(STYLE.as_bytes()))
}

/// The front page.
pub(super) fn about() -> String {
    let words = &KOREAN;
    let body = format!(
        "<h1>{}</h1><p>{}</p><p lang=\"en\">{}</p>",
        words.title,
        "시연과 시험을 위해 합성 인물의 본인확인을 흉내 내는 프로그램입니다.",
        "This program imitates an identity agency for made-up people, for demonstrations and tests."
    );
    whole(words, words.title, &body)
}

/// The first step.
pub(super) fn identify(words: &Words, request: &str, fault: Option<Fault>, other: Option<&str>) -> String {
    let other = other.map_or(String::new(), |address| {
        format!(
            "<p><a id=\"other-language\" lang=\"{}\" href=\"{}\">{}</a></p>",
            words.other_lang,
            escape(address),
            words.other
        )
    });
    let body = format!(
        "<h1>{identify}</h1>{fault}<p class=\"hint\" id=\"hint\">{hint}</p>\
         <form method=\"post\" action=\"/identify\" autocomplete=\"off\">{hidden}\
         <label for=\"name\">{name}</label>\
         <input id=\"name\" name=\"name\" required maxlength=\"100\" aria-describedby=\"hint\">\
         <fieldset><legend>{number}</legend><div class=\"pair\">\
         <input id=\"rrn-front\" name=\"rrn_front\" inputmode=\"numeric\" pattern=\"[0-9]{{6}}\" maxlength=\"6\" required aria-label=\"{front}\">\
         <span aria-hidden=\"true\">-</span>\
         <input id=\"rrn-back\" name=\"rrn_back\" type=\"password\" inputmode=\"numeric\" pattern=\"[0-9]{{7}}\" maxlength=\"7\" \
         autocomplete=\"off\" required aria-label=\"{back}\"></div></fieldset>\
         <button id=\"send\">{send}</button></form>{cancel}{other}",
        identify = words.identify,
        fault = fault_box(words, fault),
        hint = words.identify_hint,
        hidden = hidden(request),
        name = words.name,
        number = words.number,
        front = words.front,
        back = words.back,
        send = words.send,
        cancel = small_form("/cancel", "cancel", request, words.cancel),
    );
    whole(words, words.identify, &body)
}

/// The second step, with the text message that a real agency would send.
pub(super) fn confirm(words: &Words, request: &str, message: &Message, fault: Option<Fault>) -> String {
    let person = &message.person;
    let masked = format!("{}-{}******", person.rrn.get(..6).unwrap_or(""), person.rrn.get(6..7).unwrap_or(""));
    let mobile = person.mobile.get(..5).unwrap_or("").to_owned() + "**-****";
    let body = format!(
        "<h1>{confirm}</h1>{fault}<p class=\"hint\">{name} · {masked}</p>\
         <section class=\"sms\" aria-label=\"{sms_head}\"><p>{sms_head}</p><p>{sent_to} {mobile}</p><p>{sms_text}</p>\
         <p><strong id=\"sms-code\">{code}</strong></p></section>\
         <form method=\"post\" action=\"/confirm\" autocomplete=\"off\">{hidden}\
         <label for=\"code\">{code_label}</label>\
         <input id=\"code\" name=\"code\" inputmode=\"numeric\" pattern=\"[0-9]{{6}}\" maxlength=\"6\" required \
         autocomplete=\"one-time-code\"><button id=\"confirm\">{sign_in}</button></form>{resend}{cancel}",
        confirm = words.confirm,
        fault = fault_box(words, fault),
        name = escape(&person.name),
        sms_head = words.sms_head,
        sent_to = words.sent_to,
        sms_text = words.sms_text,
        code = message.code,
        hidden = hidden(request),
        code_label = words.code,
        sign_in = words.sign_in,
        resend = small_form("/resend", "resend", request, words.resend),
        cancel = small_form("/cancel", "cancel", request, words.cancel),
    );
    whole(words, words.confirm, &body)
}

/// A page that ends the matter.
pub(super) fn fault(words: &Words, fault: Fault) -> String {
    let body = format!("<h1>{}</h1>{}<p>{}</p>", words.fault_head, fault_box(words, Some(fault)), words.go_back);
    whole(words, words.fault_head, &body)
}

fn whole(words: &Words, title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title} – {}</title>\
         <style>{STYLE}</style></head><body><header>{}</header><main>{body}</main></body></html>",
        words.lang, words.title, words.banner
    )
}

fn fault_box(words: &Words, fault: Option<Fault>) -> String {
    fault.map_or(String::new(), |fault| {
        format!("<p class=\"fault\" id=\"fault\" role=\"alert\">{}</p>", words.fault(fault))
    })
}

fn hidden(request: &str) -> String {
    format!("<input type=\"hidden\" name=\"request\" value=\"{}\">", escape(request))
}

fn small_form(action: &str, id: &str, request: &str, label: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\">{}<button id=\"{id}\" class=\"second\">{label}</button></form>",
        hidden(request)
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let page = identify(Words::of(true), "\"><script>", Some(Fault::Unknown), Some("/authorize?a='&b"));
        assert!(!page.contains("<script>") && page.contains("&quot;&gt;&lt;script&gt;"));
        assert!(page.contains("/authorize?a=&#39;&amp;b"));
    }

    #[test]
    fn every_page_says_that_it_is_a_stand_in() {
        for english in [false, true] {
            let words = Words::of(english);
            for page in [about(), identify(words, "r", None, None), fault(words, Fault::Lost)] {
                assert!(page.contains("실제 기관이 아닙니다") && page.contains("stand-in for demonstration"));
            }
        }
    }
}
