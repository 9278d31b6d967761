/**
 * Text in chunks to lines. A carriage return before the end of a line goes; the last line needs
 * no end.
 *
 * @module
 */

export class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform: (chunk, controller): void => {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) controller.enqueue(line.replace(/\r+$/, ""));
      },
      flush: (controller): void => {
        if (rest !== "") controller.enqueue(rest.replace(/\r+$/, ""));
      },
    });
  }
}
