// Objects against Kubernetes' own API, without a cluster: the types and what is required by the validators of
// kubernetes-models, unknown fields by the TypeScript compiler on the same package's types, since its validators let
// them pass.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const ts = require('typescript');

const MODELS = path.join(__dirname, '..', 'tools', 'node_modules');
const FILE = path.join(__dirname, 'rendered.ts'); // in the compiler's memory alone

function moduleOf({ apiVersion, kind }) {
  const ofTheOperator = apiVersion.startsWith('monitoring.coreos.com/');
  const models = ofTheOperator ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models';
  const file = path.join(MODELS, models, apiVersion, `${kind}.js`);
  if (!fs.existsSync(file)) throw new Error(`there is no ${apiVersion} ${kind}`);
  return file;
}

async function typeErrors(object) {
  const { [object.kind]: Model } = await import(pathToFileURL(moduleOf(object)));
  try {
    new Model(object).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
}

// One program for all objects, since what takes time is reading the types.
function unknownFields(labelled) {
  const lines = labelled.map(({ object }, index) => {
    const type = JSON.stringify(moduleOf(object));
    return `export const o${index}: import(${type}).I${object.kind} = ${JSON.stringify(object)};`;
  });
  const options = {
    noEmit: true, strict: true, skipLibCheck: true, types: [], lib: ['lib.es2020.d.ts'],
    module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2020,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  const text = lines.join('\n');
  host.fileExists = (file) => file === FILE || fileExists(file);
  host.readFile = (file) => (file === FILE ? text : readFile(file));
  host.getSourceFile = (file, ...rest) => (file === FILE
    ? ts.createSourceFile(file, text, options.target) : getSourceFile(file, ...rest));
  const program = ts.createProgram([FILE], options, host);
  const source = program.getSourceFile(FILE);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((found) => {
    const { line } = source.getLineAndCharacterOfPosition(found.start);
    return `${labelled[line].label}: ${ts.flattenDiagnosticMessageText(found.messageText, '\n')}`;
  });
}

// `labelled`: pairs of an object and what it is called in a message. All that is wrong with them.
async function wrongIn(labelled) {
  const wrong = [];
  for (const { label, object } of labelled) {
    for (const error of await typeErrors(object)) wrong.push(`${label}: ${error}`);
  }
  return [...wrong, ...unknownFields(labelled)];
}

module.exports = { wrongIn };
