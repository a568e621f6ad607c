//! Writes every page with made-up content into a folder, for looking at them: `cargo run -p portal --example samples -- FOLDER`,
//! then `python3 -m http.server --directory FOLDER` or any other server of files.

use portal::{Locale, samples};
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args().nth(1).ok_or_else(|| io::Error::other("usage: samples FOLDER"))?);
    for (path, text) in samples::assets() {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&folder))?;
        fs::write(file, text)?;
    }
    for locale in Locale::ALL {
        let below = folder.join(locale.tag());
        fs::create_dir_all(&below)?;
        for sample in samples::all(locale).map_err(io::Error::other)? {
            fs::write(below.join(format!("{}.html", sample.name)), sample.html)?;
        }
    }
    println!("{}", folder.display());
    Ok(())
}
