//! Promise: every relative link in a Markdown page of the repository leads to a file, and to a
//! heading of that file if it names one.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

#[test]
fn relative_links_lead_to_files_and_headings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    let mut checked = 0;
    for page in pages(root) {
        for link in links(&prose(&fs::read_to_string(&page).unwrap())) {
            if is_absolute(&link) {
                continue;
            }
            checked += 1;
            if let Some(problem) = problem(&page, &link) {
                broken.push(format!("{}: {link}: {problem}", page.strip_prefix(root).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
    assert!(checked > 20, "only {checked} links were found");
}

#[test]
fn links_are_found_in_every_form() {
    let page = "[a](a.md) `[no](no.md)` ![b](b.png \"title\") [c][c] [![d](d.svg)](d.md#e)\n\n[c]: <c.md>\n\
                ```\n[no](no.md)\n```\n";
    assert_eq!(links(&prose(page)), ["a.md", "b.png", "d.svg", "d.md#e", "c.md"]);
}

#[test]
fn headings_have_the_anchors_that_github_gives_them() {
    let page = "# The `file`, twice\n## The file twice\n## A_b-c (d): é?\n```\n# no heading\n```\n";
    assert_eq!(anchors(page), ["the-file-twice", "the-file-twice-1", "a_b-c-d-é"]);
}

/// The Markdown pages below a directory, except in generated directories.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        if path.is_dir() {
            let is_skipped =
                ["target", "corpus", "node_modules"].contains(&name) || name.starts_with('.') && name != ".github";
            if !is_skipped {
                pages.extend(self::pages(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages
}

/// The page without its code blocks and code spans.
fn prose(page: &str) -> String {
    let mut in_block = false;
    let lines = page.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    });
    lines.map(|line| line.split('`').step_by(2).collect::<String>() + "\n").collect()
}

/// The targets of links and images: `](target)` and `](target "title")`, then `[name]: target`.
fn links(prose: &str) -> Vec<String> {
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let definitions =
        prose.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ")).map(|(_, target)| target);
    let targets = inline.chain(definitions).filter_map(|target| target.split_whitespace().next());
    targets.map(|target| target.trim_matches(['<', '>']).to_owned()).collect()
}

fn is_absolute(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

fn problem(page: &Path, link: &str) -> Option<String> {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { page.to_owned() } else { page.parent().unwrap().join(path) };
    if !target.exists() {
        return Some("there is no such file".to_owned());
    }
    let anchor = anchor?;
    let anchors = anchors(&fs::read_to_string(&target).unwrap_or_default());
    (!anchors.iter().any(|known| known == anchor)).then(|| format!("there is no such heading among {anchors:?}"))
}

/// The anchors of a page's headings, as GitHub generates them.
fn anchors(page: &str) -> Vec<String> {
    let mut in_block = false;
    let mut seen = HashMap::new();
    let mut anchors = Vec::new();
    for line in page.lines() {
        in_block ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        let is_heading = heading.len() < line.len() && heading.starts_with(' ');
        if in_block || !is_heading {
            continue;
        }
        let kept = heading.trim().to_lowercase();
        let kept = kept.chars().filter(|&it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
        let anchor: String = kept.map(|it| if it == ' ' { '-' } else { it }).collect();
        let repeated = seen.entry(anchor.clone()).or_insert(0);
        anchors.push(if *repeated == 0 { anchor } else { format!("{anchor}-{repeated}") });
        *repeated += 1;
    }
    anchors
}
