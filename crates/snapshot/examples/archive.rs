//! Looks into a snapshot archive, or packs one anew:
//!
//! ```text
//! archive inspect FILE [pretty|json] [KVDEPTH [KVFILTER]]
//! archive repack FILE NEWFILE
//! archive extract FILE STATEFILE
//! ```

use std::fs::File;
use std::io::{BufReader, BufWriter, Cursor};
use std::process::ExitCode;

use snapshot::{KvGrouping, inspect, json, pretty, read_archive, write_archive};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["inspect", file, rest @ ..] => show(file, rest),
        ["repack", file, new_file] => repack(file, new_file),
        ["extract", file, state_file] => extract(file, state_file),
        _ => {
            Err("usage: archive inspect FILE [pretty|json] [KVDEPTH [KVFILTER]] | repack FILE NEWFILE | extract FILE \
                  STATEFILE"
                .into())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn show(file: &str, options: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    let mut state = Vec::new();
    let meta = read_archive(BufReader::new(File::open(file)?), &mut state)?;
    let keys = match options.get(1) {
        Some(depth) => {
            let prefix = options.get(2).copied().unwrap_or_default().to_owned();
            Some(KvGrouping { depth: depth.parse()?, prefix })
        }
        None => None,
    };
    let stats = inspect(state.as_slice(), keys.as_ref())?;
    if options.first() == Some(&"json") {
        print!("{}", json(&meta, &stats)?);
    } else {
        print!("{}", pretty(&meta, &stats));
    }
    Ok(())
}

fn repack(file: &str, new_file: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut state = Vec::new();
    let meta = read_archive(BufReader::new(File::open(file)?), &mut state)?;
    write_archive(BufWriter::new(File::create(new_file)?), &meta, Cursor::new(state))?;
    Ok(())
}

fn extract(file: &str, state_file: &str) -> Result<(), Box<dyn std::error::Error>> {
    let meta = read_archive(BufReader::new(File::open(file)?), File::create(state_file)?)?;
    let stats = inspect(BufReader::new(File::open(state_file)?), None)?;
    print!("{}", pretty(&meta, &stats));
    Ok(())
}
