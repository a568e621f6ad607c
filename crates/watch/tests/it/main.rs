//! Tests of watchfulness: each rule on what it is for and on what comes near.

mod deposits;
mod reader;
mod rules;
