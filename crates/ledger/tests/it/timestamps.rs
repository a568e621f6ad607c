//! Time-stamps by a real authority: `openssl ts` with a certificate chain of the test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use ledger::{StampAuthority, StampRequest};

const TEXT: &[u8] = b"log.example/records\n5\nroot\n";

/// An authority in a folder: a root, and a signer that it issued.
struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// `None`, saying so, where openssl is missing.
    fn new(folder: &Path, key: &[&str], digest: &str, usage: &str) -> Option<Self> {
        if !Command::new("openssl").arg("version").output().is_ok_and(|done| done.status.success()) {
            println!("SKIPPED: time-stamps by openssl: install openssl");
            return None;
        }
        std::fs::create_dir_all(folder).expect("a folder");
        let config = format!(
            "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = test\n[ca]\nbasicConstraints = critical, CA:TRUE\n\
             [tsa]\nextendedKeyUsage = {usage}\n[tsa_config]\ndefault_policy = 1.2.3.4\ndigests = sha256\n\
             serial = {0}/serial\nordering = no\ntsa_name = no\ness_cert_id_chain = no\nclock_precision_digits = 2\n",
            folder.display()
        );
        std::fs::write(folder.join("openssl.cnf"), config).expect("written");
        std::fs::write(folder.join("serial"), "01\n").expect("written");
        let authority = Self { folder: folder.to_owned() };
        let new = |subject: &str, name: &str| {
            let (key_file, request) = (format!("{name}.key"), format!("{name}.csr"));
            let made =
                [&["req", "-new", "-newkey"], key, &["-nodes", "-config", "openssl.cnf", "-subj", subject]].concat();
            authority.openssl(&[&made[..], &["-keyout", &key_file, "-out", &request]].concat());
        };
        new("/CN=Test root", "root");
        new("/CN=Test stamps/O=Test", "tsa");
        let sign = ["x509", "-req", "-days", "2", &format!("-{digest}"), "-extfile", "openssl.cnf"];
        authority.openssl(
            &[&sign[..], &["-extensions", "ca", "-in", "root.csr", "-signkey", "root.key", "-out", "root.pem"]]
                .concat(),
        );
        let by_root = [
            "-extensions",
            "tsa",
            "-in",
            "tsa.csr",
            "-CA",
            "root.pem",
            "-CAkey",
            "root.key",
            "-set_serial",
            "7",
            "-out",
            "tsa.pem",
        ];
        authority.openssl(&[&sign[..], &by_root].concat());
        Some(authority)
    }

    fn openssl(&self, arguments: &[&str]) {
        let done = Command::new("openssl").args(arguments).current_dir(&self.folder).output().expect("openssl runs");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn reply(&self, request: &StampRequest, more: &[&str]) -> Vec<u8> {
        std::fs::write(self.folder.join("query.tsq"), request.to_der()).expect("written");
        let common = ["ts", "-reply", "-config", "openssl.cnf", "-section", "tsa_config", "-queryfile", "query.tsq"];
        let signer = ["-inkey", "tsa.key", "-signer", "tsa.pem", "-out", "reply.tsr"];
        self.openssl(&[&common[..], &signer, more].concat());
        std::fs::read(self.folder.join("reply.tsr")).expect("a reply")
    }

    fn pinned(&self, name: &str) -> StampAuthority {
        let pem = std::fs::read(self.folder.join(name)).expect("a certificate");
        StampAuthority::from_pem(&pem).expect("it is PEM")
    }
}

#[test]
fn tokens_of_openssl_are_verified_and_changed_ones_refused() {
    let scratch = tempfile::tempdir().expect("a folder");
    let rsa = ["rsa:2048"];
    let ec = ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let ec384 = ["ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"];
    for (name, key, digest) in
        [("rsa", &rsa[..], "sha256"), ("rsa512", &rsa, "sha512"), ("ec", &ec, "sha256"), ("ec384", &ec384, "sha384")]
    {
        let folder = scratch.path().join(name);
        let Some(authority) = Authority::new(&folder, key, digest, "critical, timeStamping") else { return };
        let request = StampRequest::new(TEXT, [0x91, 2, 3, 4, 5, 6, 7, 8]);
        let reply = authority.reply(&request, &[&format!("-{digest}")]);
        let (token, stamp) = request.verify_response(&reply, &authority.pinned("root.pem")).expect("a genuine reply");
        assert!(stamp.time_s > 1_700_000_000 && stamp.signer.contains("Test stamps"), "{stamp:?}");
        // Later, and with the signer itself pinned.
        assert_eq!(authority.pinned("root.pem").verify(&token, TEXT).expect("genuine"), stamp);
        assert_eq!(authority.pinned("tsa.pem").verify(&token, TEXT).expect("genuine"), stamp);
        let refused = |error: ledger::Error, said: &str| assert!(error.to_string().contains(said), "{error}");
        refused(
            authority.pinned("root.pem").verify(&token, b"another text").expect_err("another"),
            "over something else",
        );
        let other = StampRequest::new(TEXT, [1; 8]);
        refused(
            other.verify_response(&reply, &authority.pinned("root.pem")).expect_err("another nonce"),
            "another request",
        );
        let changed = |position: usize| {
            let mut changed = token.clone();
            changed[position] ^= 1;
            authority.pinned("root.pem").verify(&changed, TEXT)
        };
        // Some bytes of a token say nothing, but none changes what it says.
        for position in 0..token.len() {
            assert!(changed(position).map_or(true, |found| found == stamp), "byte {position}");
        }
        let stranger =
            Authority::new(&folder.join("other"), key, digest, "critical, timeStamping").expect("openssl is there");
        refused(
            stranger.pinned("root.pem").verify(&token, TEXT).expect_err("not pinned"),
            "does not lead to a pinned one",
        );
    }
}

#[test]
fn only_certificates_for_time_stamps_count() {
    let scratch = tempfile::tempdir().expect("a folder");
    let Some(authority) = Authority::new(scratch.path(), &["rsa:2048"], "sha256", "critical, timeStamping") else {
        return;
    };
    let request = StampRequest::new(TEXT, [7; 8]);
    let reply = authority.reply(&request, &["-sha256"]);
    assert!(request.verify_response(&reply, &authority.pinned("root.pem")).is_ok());
    // The same key under a certificate for servers: openssl itself refuses to stamp with it, so the certificates are exchanged.
    let config = std::fs::read_to_string(scratch.path().join("openssl.cnf")).expect("a configuration");
    let config = config.replace("critical, timeStamping", "serverAuth");
    std::fs::write(scratch.path().join("openssl.cnf"), config).expect("written");
    let mut issue = vec![
        "x509",
        "-req",
        "-days",
        "2",
        "-sha256",
        "-extfile",
        "openssl.cnf",
        "-extensions",
        "tsa",
        "-in",
        "tsa.csr",
    ];
    issue.extend(["-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "7", "-out", "server.pem"]);
    authority.openssl(&issue);
    assert!(authority.pinned("server.pem").verify(&[], TEXT).is_err());
    let (token, _) = request.verify_response(&reply, &authority.pinned("root.pem")).expect("genuine");
    let said = authority.pinned("server.pem").verify(&token, TEXT).expect_err("another certificate").to_string();
    assert!(said.contains("does not lead to a pinned one"), "{said}");
}
