// One section of the page. Its HTML is made on the server, where everything from outside is escaped.
export default {
  template: `<component :is="tag"></component>`,
  props: { html: String, tag: String },
  mounted() {
    this.show();
  },
  updated() {
    this.show();
  },
  methods: {
    show() {
      if (this.html === this.shown) return;
      this.shown = this.html;
      window.msc.show(this.$el, this.html);
    },
  },
};
