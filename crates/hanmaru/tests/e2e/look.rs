//! What is looked at on every page, whichever it is: accessibility, layout, language, and a picture to keep.
//!
//! Faults found here are noted and the journey goes on, so that one run tells all of them.

use crate::browser::Browser;
use crate::texts::text;
use crate::{Done, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;

/// Fewest pixels of ordinary text, and of what one types.
const TEXT_PX: f64 = 17.0;
/// Fewest pixels of anything that is read.
const SMALLEST_PX: f64 = 15.0;
/// Rules of axe-core: WCAG 2.2 up to AA, and what it holds to be good practice.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// Facts about a page that no rule of axe-core covers.
const LAYOUT: &str = "
    const seen = e => e.getClientRects().length > 0 && !e.closest('.unseen, svg');
    const px = e => parseFloat(getComputedStyle(e).fontSize);
    const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim() !== '');
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
    const wide = [...document.body.querySelectorAll('*')].filter(e => seen(e) && !e.closest('.skip')
        && e.getBoundingClientRect().right > innerWidth + 1);
    const small = [...document.body.querySelectorAll('*')].filter(e => seen(e) && own(e));
    return {
        language: document.documentElement.lang,
        headings: [...document.querySelectorAll('h1')].map(e => e.innerText.trim()),
        title: document.title,
        base: px(document.body),
        typed: Math.min(1000, ...[...document.querySelectorAll('input:not([type=checkbox], [type=radio]), select, textarea, button')].filter(seen).map(px)),
        smallest: Math.min(1000, ...small.map(px)),
        scroll: document.documentElement.scrollWidth,
        inner: innerWidth,
        wide: wide.slice(0, 5).map(e => e.tagName + (e.id && '#' + e.id) + '.' + e.className),
        twice: ids.filter((id, at) => ids.indexOf(id) !== at),
        unfilled: document.body.innerText.match(/[{]\\s*[$]|\\u2068|undefined|[a-z]+-[a-z]+-text/g) || [],
    }";

/// Lets parts that stick to an edge of the window lie where they stand, which is where a picture of the whole page shows them.
const UNSTICK: &str = "document.querySelectorAll('.sticky').forEach(e => e.style.position = arguments[0])";

/// Runs axe-core and tells each violation: the rule, and where.
const AXE: &str = "
    const done = arguments[arguments.length - 1];
    axe.run(document, {
        runOnly: { type: 'tag', values: arguments[0] },
        rules: { 'target-size': { enabled: true } },
        resultTypes: ['violations'],
    }).then(
        found => done(found.violations.flatMap(v => v.nodes.map(n =>
            v.id + ' (' + v.impact + ') at ' + n.target.join(' ') + ': ' + n.failureSummary.replace(/\\s+/g, ' ')))),
        error => done(['axe-core failed: ' + error]),
    )";

#[derive(Deserialize)]
struct Layout {
    language: String,
    headings: Vec<String>,
    title: String,
    base: f64,
    typed: f64,
    smallest: f64,
    scroll: f64,
    inner: f64,
    wide: Vec<String>,
    twice: Vec<String>,
    unfilled: Vec<String>,
}

impl Browser {
    /// Looks at the page, which must be headed by the text of a key, and keeps its picture under `name`.
    ///
    /// # Errors
    /// Where it is another page.
    pub async fn look(&self, name: &str, heading_key: &str) -> Done {
        self.look_at(name, &text(self.language(), heading_key)).await
    }

    /// Looks at the page, which must have this heading, and keeps its picture under `name`.
    ///
    /// # Errors
    /// Where it is another page.
    pub async fn look_at(&self, name: &str, heading: &str) -> Done {
        let layout: Layout = serde_json::from_value(self.run(LAYOUT, vec![]).await?)?;
        self.picture(name).await?;
        if layout.headings != [heading] {
            return Err(format!("{name}: the page is headed {:?}, not “{heading}”", layout.headings).into());
        }
        for fault in self.layout_faults(&layout).into_iter().chain(self.violations().await?) {
            self.world.note(&format!("page {name} ({}): {fault}", self.view));
        }
        Ok(())
    }

    /// Keeps a picture of the whole page.
    ///
    /// # Errors
    /// What the browser or the disk says.
    pub async fn picture(&self, name: &str) -> Result<PathBuf, Fault> {
        self.run(UNSTICK, vec!["static".into()]).await?;
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await?;
        let height = metrics["cssContentSize"]["height"].as_f64().unwrap_or(900.0).clamp(100.0, 8000.0);
        let clip = json!({ "x": 0, "y": 0, "width": self.view.width, "height": height, "scale": 1 });
        let wish = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.devtools("Page.captureScreenshot", wish).await?;
        self.run(UNSTICK, vec!["".into()]).await?;
        let bytes = STANDARD.decode(shot["data"].as_str().ok_or("the browser gave no picture")?)?;
        let path = self.world.pictures().join(format!("{}-{name}.png", self.view));
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    fn layout_faults(&self, layout: &Layout) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |good: bool, fault: String| {
            if !good {
                faults.push(fault);
            }
        };
        let tag = self.language().tag();
        check(layout.language == tag, format!("the page says its language is {:?}", layout.language));
        let named = layout.title.split(['·', '–']).next().is_some_and(|name| !name.trim().is_empty());
        check(named, format!("the title {:?} does not name the page", layout.title));
        check(layout.base >= TEXT_PX, format!("text has {} px", layout.base));
        check(layout.typed >= TEXT_PX, format!("a control has {} px", layout.typed));
        check(layout.smallest >= SMALLEST_PX, format!("the smallest text has {} px", layout.smallest));
        // A phone widens its window for a page that is too wide.
        let inner = layout.inner.min(f64::from(self.view.width));
        let wide = layout.scroll > inner;
        check(!wide, format!("{} px wide in a window of {}: {:?}", layout.scroll, inner, layout.wide));
        check(layout.twice.is_empty(), format!("ids that come twice: {:?}", layout.twice));
        check(layout.unfilled.is_empty(), format!("texts that were not filled in: {:?}", layout.unfilled));
        faults
    }

    /// What axe-core finds. It needs timers, which a browser without scripts does not run.
    ///
    /// # Errors
    /// What the browser says.
    pub async fn violations(&self) -> Result<Vec<String>, Fault> {
        let Some(axe) = self.world.axe.as_deref().filter(|_| self.scripts) else { return Ok(Vec::new()) };
        self.run(axe, vec![]).await?;
        Ok(serde_json::from_value(self.run_async(AXE, vec![json!(RULES)]).await?)?)
    }
}
