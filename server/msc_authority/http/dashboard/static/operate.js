// What an operator does: chosen and typed here, looked at on the server, and done only when what was looked at is confirmed.
const EMPTY = { said: "", wrong: false, errors: {}, preview: null, done: false };

export default {
  template: `
    <form class="operate" novalidate @submit.prevent="look">
      <fieldset class="choices">
        <legend class="sr">What to do</legend>
        <label v-for="one in actions" :key="one.name" class="choice" :class="{ grave: one.grave, on: one.name === action }">
          <input type="radio" name="action" :value="one.name" v-model="action"><span>{{ one.label }}</span>
        </label>
      </fieldset>
      <div v-if="chosen" class="order">
        <p class="mute">{{ chosen.meaning }}</p>
        <div class="fields">
          <div class="field why" :class="{ wrong: errors.reason }">
            <label for="o-reason">Why</label>
            <input id="o-reason" ref="reason" v-model="values.reason" type="text" maxlength="256" autocomplete="off"
              aria-required="true" :aria-invalid="errors.reason ? 'true' : 'false'" aria-describedby="od-reason">
            <p id="od-reason" class="hint"><span v-if="errors.reason" class="error">{{ errors.reason }}</span><span v-else>needed; for the policy, the history and the audit log</span></p>
          </div>
          <div v-for="one in shown" :key="one.name" class="field" :class="{ wrong: errors[one.name] }">
            <label :for="'o-' + one.name">{{ one.label }}</label>
            <select v-if="one.kind === 'choice'" :id="'o-' + one.name" v-model="values[one.name]"
              :aria-required="needs(one)" :aria-invalid="errors[one.name] ? 'true' : 'false'" :aria-describedby="'od-' + one.name">
              <option value="">{{ offered.length ? "choose one" : "there is none" }}</option>
              <option v-for="offer in offered" :key="offer.value" :value="offer.value">{{ offer.label }}</option>
            </select>
            <input v-else :id="'o-' + one.name" v-model="values[one.name]" type="text" maxlength="128" autocomplete="off"
              :inputmode="one.kind === 'number' ? 'numeric' : 'text'" :list="one.kind === 'offered' ? 'o-offers' : null"
              :aria-required="needs(one)" :aria-invalid="errors[one.name] ? 'true' : 'false'" :aria-describedby="'od-' + one.name">
            <p :id="'od-' + one.name" class="hint"><span v-if="errors[one.name]" class="error">{{ errors[one.name] }}</span><span v-else>{{ hint(one) }}</span></p>
          </div>
          <div v-if="asks_who" class="field" :class="{ wrong: errors.actor }">
            <label for="o-actor">Who you are</label>
            <input id="o-actor" v-model="values.actor" type="text" maxlength="64" autocomplete="name"
              :aria-invalid="errors.actor ? 'true' : 'false'" aria-describedby="od-actor">
            <p id="od-actor" class="hint"><span v-if="errors.actor" class="error">{{ errors.actor }}</span><span v-else>a note: nobody is logged in</span></p>
          </div>
        </div>
        <datalist id="o-offers"><option v-for="offer in offered" :key="offer.value" :value="offer.value">{{ offer.label }}</option></datalist>
        <div v-if="chosen.loosens" class="loosening">
          <template v-if="asks || errors.allow_loosening || values.allow_loosening">
            <label class="check"><input id="o-allow_loosening" type="checkbox" v-model="values.allow_loosening"
              :aria-invalid="errors.allow_loosening ? 'true' : 'false'" aria-describedby="od-allow_loosening">
              It may allow more than the controller does</label>
            <p id="od-allow_loosening" class="hint"><span v-if="errors.allow_loosening" class="error">{{ errors.allow_loosening }}</span><span v-else>It then ends by itself.</span></p>
          </template>
          <button v-else type="button" class="plain" @click="ask">Meant to loosen?</button>
        </div>
        <p class="actions">
          <button type="submit" class="primary" id="look" :disabled="busy">{{ busy && !preview ? "Looking…" : "Show what it comes to" }}</button>
          <button type="button" @click="cancel">Cancel</button>
        </p>
      </div>
      <p class="said" :class="{ wrong }" ref="said" tabindex="-1" id="operated" :role="wrong ? 'alert' : 'status'">{{ said }}</p>
      <div v-show="preview" class="prospect" ref="prospect" id="prospect" tabindex="-1" role="region" aria-label="What it comes to">
        <div ref="html"></div>
        <p v-if="preview" class="actions">
          <button type="button" id="confirm" :class="preview.grave ? 'grave' : 'primary'" @click="confirm" :disabled="busy">{{ preview.confirm }}</button>
          <button type="button" @click="change">Change it</button>
        </p>
      </div>
    </form>`,
  props: { actions: Array, inputs: Array, offers: Object, asks_who: Boolean, busy: Boolean, answer: Object },
  emits: ["look", "confirm"],
  data() {
    return { action: "", values: this.blank(), asks: false, seen: 0, ...EMPTY };
  },
  computed: {
    chosen() {
      return this.actions.find((one) => one.name === this.action);
    },
    shown() {
      return this.inputs.filter((one) => this.chosen.inputs.includes(one.name));
    },
    offered() {
      return this.offers[this.action] ?? [];
    },
  },
  mounted() {
    this.chooseOther = ({ detail }) => this.choose(detail);
    window.addEventListener("msc-operate", this.chooseOther);
  },
  beforeUnmount() {
    window.removeEventListener("msc-operate", this.chooseOther);
  },
  watch: {
    action(action) {
      // What came of the last one stays to be read.
      if (!action) return;
      const { reason, actor } = this.values;
      Object.assign(this, EMPTY, { asks: false, values: { ...this.blank(), reason, actor } });
    },
    // What is confirmed is what was looked at: whoever changes something looks again.
    values: {
      deep: true,
      handler() {
        this.preview = null;
      },
    },
    answer(answer) {
      if (answer.number === this.seen) return;
      this.seen = answer.number;
      if (answer.done) this.reset();
      Object.assign(this, EMPTY, answer);
      this.$nextTick(() => this.settle(answer));
    },
  },
  methods: {
    blank() {
      return { reason: "", actor: "", risk_mode: "", override_id: "", allow_loosening: false };
    },
    needs(one) {
      return this.chosen.needed.includes(one.name) ? "true" : "false";
    },
    hint(one) {
      return (this.values.allow_loosening && one.loosening_hint) || one.hint;
    },
    reset() {
      this.action = "";
      this.values = { ...this.blank(), actor: this.values.actor };
    },
    settle({ preview, errors, done }) {
      if (preview) window.msc.show(this.$refs.html, preview.html);
      const wrong = Object.keys(errors ?? {})[0];
      const at = preview ? this.$refs.prospect : wrong ? document.getElementById(`o-${wrong}`) : done ? this.$refs.said : null;
      at?.focus();
    },
    choose({ action, target }) {
      this.action = action;
      this.$nextTick(() => {
        if (target) this.values.override_id = target;
        this.$el.scrollIntoView({ block: "nearest" });
        this.$refs.reason.focus();
      });
    },
    ask() {
      this.asks = true;
      this.$nextTick(() => document.getElementById("o-allow_loosening").focus());
    },
    look() {
      if (this.chosen && !this.busy) this.$emit("look", { ...this.values, action: this.action });
    },
    confirm() {
      this.$emit("confirm", this.preview.number);
    },
    change() {
      this.preview = null;
      this.$refs.reason.focus();
    },
    cancel() {
      this.reset();
      Object.assign(this, EMPTY, { asks: false });
    },
  },
};
