// What Microsoft's own analyser says of some queries: which are wrong, and the columns of those that are right.
//
// stdin: {"tables": [[name, "(column: type, ...)", open]], "queries": [text]}
// stdout: [{"wrong": [[code, message]], "columns": [[name, type]] or null, "open": bool}], one for each query
//
// The folder of its packages is named by NODE_PATH.
'use strict';

require('@kusto/language-service-next/bridge.min.js');
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');

const { GlobalState, KustoCode, Symbols } = Kusto.Language;

const items = (list) => Array.from({ length: list ? list.Count : 0 }, (_, at) => list.getItem(at));

const table = ([name, schema, open]) => {
  const symbol = Symbols.TableSymbol.From(schema).WithName(name);
  return open ? symbol.WithIsOpen(true) : symbol;
};

const judge = (globals) => (text) => {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  const wrong = items(code.GetDiagnostics()).filter((found) => found.Severity === 'Error');
  const rows = code.ResultType;
  const isTable = rows && rows.Columns;
  return {
    wrong: wrong.map((found) => [found.Code, found.Message]),
    columns: isTable ? items(rows.Columns).map((column) => [column.Name, column.Type.Name]) : null,
    open: Boolean(isTable && rows.IsOpen),
  };
};

const { tables, queries } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const database = new Symbols.DatabaseSymbol.ctor('workspace', tables.map(table));
process.stdout.write(JSON.stringify(queries.map(judge(GlobalState.Default.WithDatabase(database)))));
