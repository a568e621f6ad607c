//! Uploads that come slowly: they hold up nobody else.

use crate::site::Site;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn slow_uploads_do_not_keep_others_from_checking_a_document() {
    let site = Site::new();
    let host = site.url.trim_start_matches("http://").to_owned();
    let slow: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = TcpStream::connect(&host).expect("a connection");
            let head = format!(
                "POST /verify HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=x\r\n\
                 Content-Length: 100000\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n%PDF"
            );
            stream.write_all(head.as_bytes()).expect("sent");
            stream
        })
        .collect();
    // So that all of them are being read.
    std::thread::sleep(Duration::from_millis(500));
    site.browser().upload("/verify", b"no document").says(200, "PDF 파일이 아닙니다");
    drop(slow);
}
