// Synthesized by Yosys in WebAssembly.
module counter #(parameter WIDTH = 8) (input clock, reset, up, output reg [WIDTH-1:0] value, output wrapped);
    wire [WIDTH-1:0] next = up ? value + 1'b1 : value - 1'b1;
    assign wrapped = up ? &value : ~|value;
    always @(posedge clock) value <= reset ? {WIDTH{1'b0}} : next;
endmodule

module light (input clock, reset, car, output reg [1:0] lamp);
    localparam RED = 2'd0, GREEN = 2'd1, YELLOW = 2'd2;
    wire [3:0] time_left;
    wire wrapped;
    counter #(4) timer(.clock(clock), .reset(reset), .up(1'b0), .value(time_left), .wrapped(wrapped));
    always @(posedge clock)
        if (reset) lamp <= RED;
        else case (lamp)
            RED: if (car & wrapped) lamp <= GREEN;
            GREEN: if (wrapped) lamp <= YELLOW;
            YELLOW: if (wrapped) lamp <= RED;
            default: lamp <= RED;
        endcase
endmodule
