//! Runs the stand-in agency: `agency PEOPLE_JSON PORT BACK_ADDRESS`. For looking at its pages.

use base::{Redacted, SystemClock, SystemRandom};
use std::sync::Arc;
use synth::agency::{AgencyConfig, AgencyLimits, serve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [people, port, back] = words.as_slice() else { return Err("PEOPLE_JSON PORT BACK_ADDRESS".into()) };
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("http://{}", listener.local_addr()?);
    let config = AgencyConfig {
        issuer: None,
        client_id: "hanmaru".into(),
        client_secret: Redacted::new("demonstration".into()),
        redirect_urls: vec![back.clone()],
        people: vec![people.into()],
        limits: AgencyLimits::default(),
        clock: Arc::new(SystemClock::new()),
        random: Arc::new(SystemRandom),
    };
    serve(config, listener, std::future::pending()).await?;
    Ok(())
}
