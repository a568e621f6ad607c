//! What `hanmaru serve` refuses to serve, what it says about it, and that it serves: TLS, readiness, figures, a stop by signal.

use crate::program::{Program, hanmaru};
use reqwest::{Client, StatusCode};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for the program to answer or to end.
const PATIENCE: Duration = Duration::from_secs(60);

fn serve(program: &Program) -> crate::program::Said {
    hanmaru(Command::new(env!("CARGO_BIN_EXE_hanmaru")).arg("serve").arg("--config").arg(program.config()))
}

fn replace(program: &Program, pairs: &[(&str, &str)]) {
    let text = std::fs::read_to_string(program.config()).expect("a configuration");
    let text = pairs.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from} stands in the configuration");
        text.replace(from, to)
    });
    std::fs::write(program.config(), text).expect("written");
}

#[test]
fn a_demonstration_is_not_served() {
    let program = Program::new(&[]);
    let said = serve(&program);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("this is a demonstration's configuration"), "{said:?}");
}

#[test]
fn plain_http_stand_ins_and_known_secrets_are_refused_all_at_once() {
    let program = Program::new(&[]);
    replace(&program, &[("demo = true\n", "")]);
    std::fs::write(program.path("client-secret"), "demo-client-secret").expect("written");
    let said = serve(&program);
    assert_eq!(said.code, Some(1), "{said:?}");
    for fault in ["public_url must start with https://", "issuer must start with https://", "one that everybody knows"]
    {
        assert!(said.err.contains(fault), "{fault}: {said:?}");
    }
}

#[test]
fn it_serves_over_tls_tells_the_operator_how_it_is_and_stops_when_told() {
    let program = Program::new(&[]);
    let Some(serving) = Serving::start(&program) else {
        println!("SKIPPED: serving over TLS: openssl, which makes the certificate, is not installed");
        return;
    };
    let portal = format!("https://{}", setting(&program, "listen = ", 0));
    let operator = format!("http://{}", setting(&program, "listen = ", 1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        // The certificate is of this test's making: nobody vouches for it.
        let client = Client::builder().danger_accept_invalid_certs(true).no_proxy().build().expect("a client");
        let begun = Instant::now();
        while client.get(format!("{operator}/health")).send().await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "it does not answer: {}", serving.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let get = async |address: String| {
            let answer = client.get(&address).send().await.unwrap_or_else(|error| panic!("{address}: {error}"));
            (answer.status(), answer.headers().clone(), answer.text().await.expect("a text"))
        };
        assert_eq!(get(format!("{operator}/health")).await.2, "ok\n");
        // Nobody can sign in: the agency of this configuration does not answer.
        let (status, _, ready) = get(format!("{operator}/ready")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{ready}");
        let lines: Vec<&str> = ready.lines().collect();
        assert!(lines.len() == 4 && lines[0] == "not ready", "{ready}");
        assert!(lines[2].contains("never read back whole: a, b, c") && lines[3].contains("never made"), "{ready}");
        let (_, _, figures) = get(format!("{operator}/metrics")).await;
        for name in ["hanmaru_log_entries{log=\"records\"}", "hanmaru_site_reachable{site=\"a\"} 1"] {
            assert!(figures.contains(name), "{name}: {figures}");
        }
        let (status, headers, page) = get(format!("{portal}/")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("한마루"), "{page}");
        assert!(headers.contains_key("strict-transport-security"), "{headers:?}");
        // What the operator sees is not on the portal's address, and the portal speaks nothing but TLS.
        assert_eq!(get(format!("{portal}/metrics")).await.0, StatusCode::NOT_FOUND);
        let plain = client.get(portal.replace("https", "http")).send().await;
        assert!(plain.is_err(), "{plain:?}");
    });
    let said = serving.stop();
    assert_eq!(said.0, Some(0), "{}", said.1);
    assert!(said.1.contains("stopping"), "{}", said.1);
}

/// A served portal; it ends with the test.
struct Serving {
    child: Child,
    log: std::path::PathBuf,
}

impl Serving {
    /// Makes the configuration one for real use, with a certificate of its own and an agency that is away.
    fn start(program: &Program) -> Option<Self> {
        let (certificate, key) = (program.path("certificate.pem"), program.path("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .ok()?;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let agency = format!("issuer = \"{}\"", setting(program, "issuer = ", 0));
        replace(
            program,
            &[
                ("demo = true\n", ""),
                ("public_url = \"http://", "public_url = \"https://"),
                (&agency, "issuer = \"https://agency.invalid\""),
                ("level = \"warn\"", "level = \"info\""),
                ("[keys]", "[tls]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n[keys]"),
            ],
        );
        let secret = program.path("client-secret");
        std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o600)).expect("it is there");
        let log = program.path("serve.log");
        let child = Command::new(env!("CARGO_BIN_EXE_hanmaru"))
            .args(["serve", "--config"])
            .arg(program.config())
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&log).expect("a file for the test"))
            .stderr(std::fs::File::options().append(true).open(&log).expect("a file for the test"))
            .spawn()
            .expect("the program starts");
        Some(Self { child, log })
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).expect("its log")
    }

    /// Tells it to stop; its exit code and all it said.
    fn stop(mut self) -> (Option<i32>, String) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()));
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it was started here") {
                return (status.code(), self.said());
            }
            assert!(begun.elapsed() < PATIENCE, "it does not stop: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value, in quotes, of the line of the configuration that begins so; counted from 0 where there are several.
fn setting(program: &Program, begins: &str, which: usize) -> String {
    let text = std::fs::read_to_string(program.config()).expect("a configuration");
    let line = text.lines().filter_map(|line| line.strip_prefix(begins)).nth(which).expect("it is configured");
    line.trim_matches('"').to_owned()
}
