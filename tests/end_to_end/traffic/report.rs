//! The page that `weir diff --report` writes.

use std::fs;

use roxmltree::{Document, Node};
use tempfile::TempDir;

use super::run;

/// The body of the report on the sample, for these settings.
fn body(old: &str, new: &str) -> String {
    let folder = TempDir::new().expect("a folder");
    let arguments =
        ["diff", "threshold", "threshold", "--old-settings", old, "--new-settings", new];
    let more = ["--report", "diff.html", "examples/vital-signs.json"];
    run(&folder, &[&arguments[..], &more].concat()).exit(1);
    let page = fs::read_to_string(folder.path().join("diff.html")).expect("a page");
    assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
    assert!(page.contains("prefers-color-scheme: dark"), "it is dark where the reader's system is");
    for outside in ["http://", "https://", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "{outside} in a page that needs nothing beside itself");
    }
    let (start, end) = (page.find("<body>"), page.find("</body>"));
    page[start.expect("a body")..end.expect("its end") + "</body>".len()].to_owned()
}

fn number(node: Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).expect(attribute).parse().expect("a number")
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter_map(|node| node.text().filter(|_| node.is_text())).collect()
}

#[test]
fn the_figures_are_in_the_page_and_the_picture_is_within_its_frame() {
    let body = body("{\"upper\": 1.5}", "{\"upper\": 2, \"lower\": 0.4}");
    let page = Document::parse(&body).expect("it is well-formed");
    let all = text(page.root_element());
    for figure in ["500 records differ", "flag → pass", "pass → flag", "{\"upper\":1.5}", "sha256:"]
    {
        assert!(all.contains(figure), "{figure} in {all}");
    }

    let svg = page.descendants().find(|node| node.has_tag_name("svg")).expect("a picture");
    let frame: Vec<f64> = svg
        .attribute("viewBox")
        .expect("a frame")
        .split(' ')
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [_, _, width, height] = frame[..] else { panic!("a frame: {frame:?}") };
    let within = |x: f64, y: f64| (0.0..=width).contains(&x) && (0.0..=height).contains(&y);
    for node in svg.descendants() {
        match node.tag_name().name() {
            "line" => {
                assert!(within(number(node, "x1"), number(node, "y1")), "{node:?}");
                assert!(within(number(node, "x2"), number(node, "y2")), "{node:?}");
            }
            "text" => assert!(within(number(node, "x"), number(node, "y")), "{node:?}"),
            "path" => {
                let path = node.attribute("d").expect("a path");
                for step in
                    path.split_inclusive(['V', 'H', 'M', 'Z']).collect::<Vec<_>>().windows(2)
                {
                    let (command, argument) = (step[0], step[1].trim_end_matches(['V', 'H', 'Z']));
                    let numbers =
                        argument.split_whitespace().map(|n| n.parse::<f64>().expect("a number"));
                    for number in numbers {
                        let limit = if command.ends_with('V') { height } else { width };
                        assert!((0.0..=limit).contains(&number), "{number} in {path}");
                    }
                }
            }
            _ => {}
        }
    }

    // The bounds are marked where they are, and each by its name.
    let place = |label: &str| {
        let mark = svg.descendants().find(|node| node.has_tag_name("text") && text(*node) == label);
        let line = mark.and_then(|mark| mark.prev_sibling_element()).expect(label);
        assert_eq!(number(line, "x1"), number(line, "x2"), "{label}");
        number(line, "x1")
    };
    let [lower, old, new] = ["new lower 0.4", "old upper 1.5", "new upper 2"].map(place);
    let (first, second) = ((old - lower) / 1.1, (new - old) / 0.5);
    assert!((first - second).abs() < 0.5, "as far apart as the bounds are: {lower} {old} {new}");
}

#[test]
fn what_came_from_outside_stays_text() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("<b>&.ndjson"), "{\"ANOMALY_SCORE\": 1}\n").expect("a file");
    let arguments = ["diff", "threshold", "threshold", "--old-settings", "{\"upper\": 2}"];
    let more = ["--new-settings", "{\"upper\": 1}", "--report", "diff.html", "<b>&.ndjson"];
    run(&folder, &[&arguments[..], &more].concat()).exit(1);
    let page = fs::read_to_string(folder.path().join("diff.html")).expect("a page");
    assert!(page.contains("&lt;b&gt;&amp;.ndjson:1"), "{page}");
    assert!(!page.contains("<b>"), "{page}");
}
