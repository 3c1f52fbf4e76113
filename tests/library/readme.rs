//! Promise: the README says what the crate's front page says, so that its examples are
//! compiled; and it stays short.

use std::{collections::BTreeMap, fs, path::Path};

use tower_logout::respond::Rejection;

/// The sections that both pages have. The front page has the text before the first heading, too.
const SHARED: [&str; 7] =
    ["", "Quick start", "Claims and roles", "Which store", "What clients see", "Guarantees", "Guide"];

#[test]
fn the_readme_and_the_front_page_say_the_same() {
    let (readme, front_page) = (sections(&readme()), sections(&front_page()));
    for title in SHARED {
        let of = |page: &BTreeMap<String, Vec<String>>, name: &str| {
            page.get(title).cloned().unwrap_or_else(|| panic!("{name} has no section `{title}`: write it there, too"))
        };
        let (readme, front_page) = (of(&readme, "README.md"), of(&front_page, "src/lib.rs"));
        let same = readme.iter().zip(&front_page).take_while(|(one, other)| one == other).count();
        let context = |words: &[String]| words[same.saturating_sub(5)..words.len().min(same + 10)].join(" ");
        assert!(
            readme == front_page,
            "the section `{title}` differs: change README.md and the docs at the top of src/lib.rs alike\n\
             README.md:  … {} …\nsrc/lib.rs: … {} …",
            context(&readme),
            context(&front_page),
        );
    }
}

/// Code in the shared sections is compiled with the front page; elsewhere it would be compiled
/// nowhere.
#[test]
fn all_rust_code_of_the_readme_is_in_sections_that_are_compiled() {
    for (title, words) in sections(&readme()) {
        let is_compiled = SHARED.contains(&title.as_str());
        assert!(
            is_compiled || !words.contains(&"```rust".to_owned()),
            "move the code of `{title}` to a shared section"
        );
    }
}

#[test]
fn the_readme_is_short() {
    let words = readme().split_whitespace().count();
    assert!(words <= 1000, "the README has {words} words: move what is over 1,000 to the guide (src/guide) or docs/");
}

#[test]
fn the_bodies_in_the_readme_are_those_of_the_responder() {
    let readme = readme();
    for reason in [Rejection::Revoked, Rejection::Missing, Rejection::Expired, Rejection::Invalid] {
        let body = format!(r#"{{"description":"{}","error":"{}"}}"#, reason.description(), reason.code());
        assert!(readme.contains(&body), "README.md lacks {body}");
    }
    for reason in [Rejection::InvalidRequest, Rejection::Unavailable, Rejection::MethodNotAllowed] {
        assert!(readme.contains(&format!(r#""error":"{}"}}"#, reason.code())), "README.md lacks {}", reason.code());
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The README, without its title and the picture.
fn readme() -> String {
    let readme = read("README.md");
    let picture = readme.find("![").map(|start| start..start + readme[start..].find("\n\n").unwrap_or(0));
    let readme = picture.map_or(readme.clone(), |picture| readme[..picture.start].to_owned() + &readme[picture.end..]);
    readme.trim_start_matches("# tower-logout\n").to_owned()
}

/// The docs at the top of `src/lib.rs`, with headings as the README has them.
fn front_page() -> String {
    let lib = read("src/lib.rs");
    let docs = lib.lines().map_while(|line| line.strip_prefix("//!"));
    let mut is_code = false;
    let lines = docs.map(|line| {
        let line = line.strip_prefix(' ').unwrap_or(line);
        is_code ^= line.starts_with("```");
        if line.starts_with("# ") && !is_code { format!("#{line}") } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The words of each section, without what the two pages must have differently: lines of code that
/// rustdoc hides, the targets of links, and where lines are broken.
fn sections(page: &str) -> BTreeMap<String, Vec<String>> {
    let mut sections = BTreeMap::new();
    let (mut title, mut language) = (String::new(), None);
    for line in page.lines() {
        let words: &mut Vec<String> = sections.entry(title.clone()).or_default();
        match (line.strip_prefix("```"), language) {
            (Some(info), None) => {
                let is_compiled = matches!(info, "" | "no_run" | "rust" | "rust,no_run");
                let fence = if is_compiled { "rust" } else { info };
                language = Some(fence);
                words.push(format!("```{fence}"));
            }
            (Some(_), Some(_)) => {
                language = None;
                words.push("```".to_owned());
            }
            (None, Some("rust")) if line == "#" || line.starts_with("# ") => {}
            (None, Some(_)) => words.push(line.trim_end().to_owned()),
            (None, None) => match line.strip_prefix("## ") {
                Some(next) => next.clone_into(&mut title),
                None if line.starts_with('[') && line.contains("]: ") => {}
                None => words.extend(line.split_whitespace().map(str::to_owned)),
            },
        }
    }
    for words in sections.values_mut() {
        *words = without_links(words);
    }
    sections
}

/// `[text]`, `[text](target)` and `[text][target]` become `text`.
fn without_links(words: &[String]) -> Vec<String> {
    let mut is_code = false;
    let unlink = |word: &String| {
        is_code ^= word.starts_with("```");
        if is_code { word.clone() } else { unlinked(word) }
    };
    words.iter().map(unlink).collect()
}

fn unlinked(word: &str) -> String {
    let (mut text, mut rest) = (String::new(), word);
    while let Some(end) = rest.find(']') {
        text.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        for (open, close) in [('(', ')'), ('[', ']')] {
            if rest.starts_with(open) {
                rest = rest.find(close).map_or("", |close| &rest[close + 1..]);
            }
        }
    }
    text.push_str(rest);
    text.replace('[', "")
}
