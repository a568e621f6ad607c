//! Stories of the store on real folders: what is written, found, read, refused, logged and sealed, and what survives.

mod clock;
mod context;
mod crash;
mod editions;
mod journal;
mod objects;
mod people;
mod permits;
mod sealing;
mod support;
mod writing;
