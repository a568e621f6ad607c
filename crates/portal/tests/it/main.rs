//! The portal over a real archive, a real identity and the stand-in agency, asked over loopback as a browser would: journeys,
//! refusals, headers. What pages look like is tested beside their samples, and in a real browser by the program's own tests.

mod app;
mod attempts;
mod browser;
mod erasures;
mod fresh;
mod granted;
mod ground_pages;
mod headers;
mod journeys;
mod matrix;
mod named;
mod papers;
mod proofs;
mod refusals;
mod site;
mod staff;
mod status;
mod uploads;
mod watch;
