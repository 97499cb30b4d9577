// The alerts and the dashboard: no metric that files/metrics.txt does not name, expressions that Prometheus takes,
// alerts that fire when they should and not before, and a section for each in the operations guide.
'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const yaml = require('yaml');
const { ROOT, TRIAL, chartFile, one, over, render } = require('./helm.js');

const ADDED_BY_SCRAPING = ['job', 'namespace', 'pod', 'le'];
const SUFFIXES = { histogram: ['_bucket', '_sum', '_count'] };
const WITH_ALERTS = over(TRIAL, { replicaCount: 2, prometheusRule: { enabled: true, selector: 'job="vigil"' } });

// Series -> its labels.
function series() {
  const rows = chartFile('files/metrics.txt').split('\n').filter((line) => line && !line.startsWith('#'));
  return new Map(rows.flatMap((row) => {
    const [name, type, labels, meaning] = row.split('|').map((cell) => cell.trim());
    assert.ok(/^(gauge|counter|histogram)$/.test(type) && meaning, row);
    assert.strictEqual(name.endsWith('_total'), type === 'counter', row);
    const names = labels.split(',').map((label) => label.trim()).filter(Boolean);
    return (SUFFIXES[type] ?? ['']).map((suffix) => [name + suffix, names]);
  }));
}

const alerts = () => yaml.parse(chartFile('files/alerts.yaml')).alerts;
const rules = (values = WITH_ALERTS) => one(render(values), 'PrometheusRule').spec.groups;

function expressionsOfTheDashboard() {
  const dashboard = JSON.parse(chartFile('files/dashboard.json'));
  const shown = dashboard.panels.flatMap(({ targets }) => (targets ?? []).map(({ expr }) => expr));
  const asked = dashboard.templating.list.filter(({ type }) => type === 'query').map(({ query }) => query.query);
  return { shown, asked };
}

// What an expression uses that is not there.
function unknownIn(expression, known) {
  const unknown = [];
  const labels = new Set(ADDED_BY_SCRAPING);
  for (const [name] of expression.matchAll(/\bvigil_[a-z_]+/g)) {
    if (!known.has(name)) unknown.push(name);
    for (const label of known.get(name) ?? []) labels.add(label);
  }
  const inside = (pattern) => [...expression.matchAll(pattern)].map(([, all]) => all);
  const matched = inside(/\{([^}]*)\}/g).flatMap((all) => all.match(/[a-z_]+(?=\s*(?:=|!))/g) ?? []);
  const grouped = inside(/\bby \(([^)]*)\)/g).flatMap((all) => all.split(',').map((name) => name.trim()));
  return [...unknown, ...[...matched, ...grouped].filter((label) => !labels.has(label))];
}

function promtool(words) {
  const done = spawnSync('promtool', words, { encoding: 'utf8' });
  if (done.error) throw done.error;
  assert.strictEqual(done.status, 0, done.stdout + done.stderr);
}

module.exports = async (test) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vigil-alerts-'));
  const file = (name, content) => {
    fs.writeFileSync(path.join(directory, name), yaml.stringify(content));
    return path.join(directory, name);
  };
  try {
    await test('Metrics_AlertsAndDashboardUseNoOthers', () => {
      const known = series();
      const { shown, asked } = expressionsOfTheDashboard();
      const used = [...alerts().map(({ expr }) => expr.replace(/SELECTOR/g, 'job="x"')), ...shown, ...asked];
      assert.ok(used.length > 40);
      for (const expression of used) assert.deepStrictEqual(unknownIn(expression, known), [], expression);
      const wrong = unknownIn('sum by (colour) (vigil_nothing{shape="x"})', known);
      assert.deepStrictEqual(wrong, ['vigil_nothing', 'shape', 'colour']);
    });

    await test('Metrics_EachThatIsNamedIsUsed', () => {
      const { shown, asked } = expressionsOfTheDashboard();
      const used = [...alerts().map(({ expr }) => expr), ...shown, ...asked].join('\n');
      const names = chartFile('files/metrics.txt').match(/^vigil_\w+/gm);
      const unused = names.filter((name) => !new RegExp(`\\b${name}(_bucket|_sum|_count)?\\b`).test(used));
      assert.deepStrictEqual(unused, []);
    });

    await test('Alerts_PrometheusTakesThem', () => {
      promtool(['check', 'rules', file('rules.yml', { groups: rules() })]);
    });

    await test('Dashboard_PrometheusTakesItsExpressions', () => {
      const plain = (expr) => expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(job|namespace)/g, '.*');
      const recorded = expressionsOfTheDashboard().shown.map((expr, i) => ({ record: `r${i}`, expr: plain(expr) }));
      promtool(['check', 'rules', file('shown.yml', { groups: [{ name: 'shown', rules: recorded }] })]);
    });

    await test('Alerts_FireWhenTheyShouldAndNotBefore', () => {
      const cases = yaml.parse(fs.readFileSync(path.join(__dirname, 'alert_cases.yaml'), 'utf8'));
      const text = Object.fromEntries(rules()[0].rules.map((rule) => [rule.alert, rule]));
      const fired = new Set();
      const quiet = new Set();
      const tests = cases.map(({ alert, series: inputs, at, quiet_at: before, with: labels, summary }) => {
        assert.ok(text[alert], alert);
        if (at) fired.add(alert);
        if (before) quiet.add(alert);
        const { severity } = text[alert].labels;
        const annotations = { ...text[alert].annotations, ...(summary && { summary }) };
        const expected = { exp_labels: { severity, ...labels }, exp_annotations: annotations };
        return {
          interval: '15s',
          input_series: Object.entries(inputs).map(([name, values]) => ({ series: name, values })),
          alert_rule_test: [
            ...(before ? [{ eval_time: before, alertname: alert, exp_alerts: [] }] : []),
            ...(at ? [{ eval_time: at, alertname: alert, exp_alerts: [expected] }] : []),
          ],
        };
      });
      const named = alerts().map(({ alert }) => alert).sort();
      assert.deepStrictEqual([...fired].sort(), named);
      assert.deepStrictEqual([...quiet].sort(), named);
      const ruleFile = file('rules.yml', { groups: rules() });
      promtool(['test', 'rules', file('cases.yml', { rule_files: [ruleFile], evaluation_interval: '15s', tests })]);
    });

    await test('Alerts_EachHasItsSectionInTheOperationsGuide', () => {
      const guide = fs.readFileSync(path.join(ROOT, 'server', 'OPERATIONS.md'), 'utf8');
      const headings = [...guide.matchAll(/^### (Vigil\w+)$/gm)].map(([, name]) => name);
      assert.deepStrictEqual([...headings].sort(), alerts().map(({ alert }) => alert).sort());
      for (const { annotations, alert } of rules()[0].rules) {
        assert.strictEqual(annotations.runbook, `server/OPERATIONS.md#${alert.toLowerCase()}`);
      }
      const [published] = rules(over(WITH_ALERTS, { prometheusRule: { runbookUrl: 'https://docs.example/ops' } }));
      const { runbook_url: link } = published.rules[0].annotations;
      assert.strictEqual(link, 'https://docs.example/ops#vigilnocoordinator');
    });
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
};
